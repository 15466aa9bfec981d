"""The learning rate as a function of the step: warm up, stay, decay."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Protocol

from common.errors import UserError
from conf.schema import OptimConfig, ScheduleConfig


class Schedule(Protocol):
    """Learning rate of one update."""

    def lr(self, step: int, tokens: int) -> float:
        """Learning rate of the update that ends at ``step`` (1 is the first) and brings the run to ``tokens``
        (capacity)."""


class TokenClock(Protocol):
    """Tokens (capacity) by step: the `BatchRamp` of a phase, or the `PhaseClock` of several."""

    def tokens(self, step: int) -> int:
        """Tokens seen after ``step`` steps."""

    def steps(self, tokens: int) -> int:
        """Steps until at least ``tokens`` tokens are seen."""


def shape(kind: str, x: float) -> float:
    """What is left of a decay of ``kind`` after the share ``x`` of it (0 to 1): 1 at x = 0, 0 at x = 1.

    linear 1 - x; cosine (1 + cos(pi x)) / 2; 1-sqrt 1 - sqrt(x), which fell lowest of those tried in arXiv 2405.18392,
    section 4."""
    x = min(max(x, 0.0), 1.0)
    return {"linear": 1 - x, "cosine": (1 + math.cos(math.pi * x)) / 2, "1-sqrt": 1 - math.sqrt(x)}[kind]


@dataclass(frozen=True)
class WarmStayDecay:
    """wsd, cosine and constant, each after a linear warm-up.

    With T = `total` steps, W = warm-up, D = decay, a = min_lr_ratio, and s = step - 1 the updates made before (0 to T -
    1):

        warm-up   (s + 1) / W                       for s < W; in tokens: tokens after the update / warmup_tokens
        wsd       a + (1 - a) shape((s - (T - D)) / D)   for s >= T - D, 1 before
        cosine    a + (1 - a) (1 + cos(pi (s - W) / (T - W))) / 2
        constant  1

    so that no update is lost to a learning rate of 0; what the decay ends at would be the learning rate of update T +
    1."""

    peak: float
    config: ScheduleConfig
    total: int
    warmup: int
    """Updates of the warm-up; when it is given in tokens, how many those take."""

    def lr(self, step: int, tokens: int) -> float:
        """See `Schedule.lr`."""
        return self.peak * self.factor(step, tokens)

    def factor(self, step: int, tokens: int) -> float:
        """Share of the peak learning rate."""
        config, done = self.config, step - 1
        if done < self.warmup:
            return tokens / config.warmup_tokens if config.warmup_tokens else step / self.warmup
        if config.kind == "constant":
            return 1.0
        begin, length, kind = (
            self.decay_begins,
            self.total - self.decay_begins,
            config.decay_shape if config.kind == "wsd" else "cosine",
        )
        if done < begin or not length:
            return 1.0
        return config.min_lr_ratio + (1 - config.min_lr_ratio) * shape(kind, (done - begin) / length)

    @property
    def decay_begins(self) -> int:
        """Updates made before the decay; `total` when there is none."""
        return {"wsd": self.total - self.config.decay_steps, "cosine": self.warmup, "constant": self.total}[
            self.config.kind
        ]


@dataclass(frozen=True)
class DecayOnly:
    """A branch that only decays: from the learning rate of the checkpoint to `min_lr_ratio` x `optim.lr` over
    `decay_steps`.

    With s = step - 1 - start: low + (first - low) shape(s / D), so that a branch from the last step before the decay of
    a wsd run repeats that run's own decay."""

    first: float
    low: float
    kind: str
    start: int
    length: int

    def lr(self, step: int, tokens: int) -> float:
        """See `Schedule.lr`."""
        return self.low + (self.first - self.low) * shape(self.kind, (step - 1 - self.start) / self.length)


def build_schedule(optim: OptimConfig, total: int, warmup: int) -> WarmStayDecay:
    """Schedule of a run of ``total`` steps whose warm-up takes ``warmup`` of them. Raises UserError where they do not
    fit."""
    config = optim.schedule.settled()
    if config.decay_steps and config.decay_share:
        raise UserError(
            f"optim.schedule.decay_steps={config.decay_steps} and optim.schedule.decay_share={config.decay_share:g}:"
            " set one of them alone"
        )
    if config.decay_share:
        config = dataclasses.replace(config, decay_steps=round(config.decay_share * total))
    decay = config.decay_steps if config.kind == "wsd" else 0
    if warmup + decay > total:
        raise UserError(
            f"optim.schedule: {warmup} steps of warm-up and {decay} of decay do not fit into {total} steps; "
            "shorten them or lengthen train.steps (or train.tokens)"
        )
    return WarmStayDecay(optim.lr, config, total, warmup)


def build_decay(optim: OptimConfig, first: float, start: int) -> DecayOnly:
    """Schedule of a branch that starts after step ``start`` with the learning rate ``first``. Raises UserError without
    a length."""
    config = optim.schedule
    if not config.decay_steps:
        raise UserError("train.decay_only needs the length of the decay; set optim.schedule.decay_steps")
    return DecayOnly(first, config.min_lr_ratio * optim.lr, config.decay_shape, start, config.decay_steps)


def warmup_steps(schedule: ScheduleConfig, total: int, clock: TokenClock) -> int:
    """Steps of the warm-up of ``total`` steps. Raises UserError when it is given in two ways."""
    schedule = schedule.settled()
    given = [
        f"optim.schedule.{key}={value:g}"
        for key in ("warmup_steps", "warmup_tokens", "warmup_share")
        if (value := getattr(schedule, key))
    ]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)}: set one, and the others to 0")
    if schedule.warmup_share:
        return round(schedule.warmup_share * total)
    # The update that reaches the given tokens already has the full rate.
    return schedule.warmup_steps or max(0, clock.steps(schedule.warmup_tokens) - 1)
