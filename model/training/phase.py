"""The phases of a run: where each begins, how long it is, which batch and learning rate its steps have. All known before the first step."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from conf.schema import Config, DecoderConfig, OptimConfig, PhaseConfig, TrainConfig
from conf.schema.phase import scaled
from model.training.batch_ramp import BatchRamp, warmup_steps
from model.training.schedule import DecayOnly, WarmStayDecay, build_schedule

MAIN = "main"
"""Name of the one phase of a run without section `phases`."""


@dataclass(frozen=True)
class Phase:
    """A span of a run under one mixture, length and batch."""

    name: str
    number: int
    """Its place, counted from 0."""
    config: PhaseConfig
    train: TrainConfig
    """Section `train` with the length and the batch of this phase."""
    data: str
    """Its tokens folder."""
    ramp: BatchRamp
    """Packs of each of its steps, counted from its beginning."""
    first: int
    """Steps of the run made before it."""
    steps: int
    lr: Callable[[int], float]
    """Learning rate of a step of the run."""
    rope_theta: float = 0.0
    """RoPE base that is in force; 0 for that of section `model`."""

    @property
    def last(self) -> int:
        """Its last step."""
        return self.first + self.steps

    def samples(self, step: int) -> int:
        """Samples of this phase consumed after ``step`` of the run."""
        return self.ramp.samples(step - self.first)


@dataclass(frozen=True)
class Clock:
    """Samples and tokens (capacity) of a run after each step, over all phases."""

    phases: Sequence[Phase]

    def samples(self, step: int) -> int:
        """Samples after ``step`` steps."""
        return sum(phase.samples(min(step, phase.last)) for phase in self.phases if step > phase.first)

    def tokens(self, step: int) -> int:
        """Capacity in tokens after ``step`` steps."""
        return sum(phase.ramp.tokens(min(step, phase.last) - phase.first) for phase in self.phases if step > phase.first)

    def steps(self, tokens: int) -> int:
        """Steps until at least ``tokens`` tokens of capacity are seen, past the last phase at its pace."""
        seen = 0
        for phase in self.phases:
            size = phase.ramp.tokens(phase.steps)
            if tokens <= seen + size or phase is self.phases[-1]:
                return phase.first + phase.ramp.steps(tokens - seen)
            seen += size
        return 0


def build_phases(config: Config, data_parallel: int) -> list[Phase]:
    """The phases of section `phases`, in their order. Raises UserError for one without a budget, and where lengths do not fit."""
    _check(config)
    found: list[Phase] = []
    for number, (name, phase) in enumerate(scaled(config.phases, config.budget).items()):
        train = _train(config.train, phase, number)
        ramp = BatchRamp(train, data_parallel)
        data = phase.data or str(Path(config.mixture.output) / name)
        first = found[-1].last if found else 0
        # To the last whole batch within the budget: text that is there for one reading is not begun again for a part of a batch.
        steps = max(1, phase.tokens // (train.seq_length * train.global_batch)) if not train.batch_ramp_start else ramp.steps(phase.tokens)
        theta = phase.rope_theta or (found[-1].rope_theta if found else 0.0)
        found.append(Phase(name, number, phase, train, data, ramp, first, steps, lambda step: 0.0, theta))
    whole = _whole(config.optim, found)
    for number, phase in enumerate(found):
        found[number] = dataclasses.replace(phase, lr=_rate(config.optim, phase, found[number - 1] if number else None, whole))
    return found


def _check(config: Config) -> None:
    train = config.train
    if train.steps or train.tokens:
        raise UserError(f"train.steps={train.steps} and train.tokens={train.tokens}: the phases say how long they are; set both to 0")
    if train.heldout_fraction:
        raise UserError(
            f"train.heldout_fraction={train.heldout_fraction:g}: a document may be in several phases, so none can be held out of one; "
            "set it to 0 and name prepared held-out text, such as data.heldout.law=data/law_dev/tokens"
        )
    if train.decay_only:
        raise UserError("train.decay_only is for runs of one phase; add a phase with schedule: decay instead")
    if not config.budget > 0:
        raise UserError(f"budget={config.budget:g} leaves the phases nothing; give a number above 0")
    for name, phase in config.phases.items():
        if not phase.tokens:
            raise UserError(f"phases.{name}.tokens=0: a phase of a training needs a budget; set phases.{name}.tokens")
        if phase.rope_theta and not isinstance(config.model, DecoderConfig):
            raise UserError(f"phases.{name}.rope_theta is for decoders; take it out")
        if phase.lr and phase.schedule != "rewarm":
            raise UserError(
                f"phases.{name}.lr={phase.lr:g} is the peak of a new warm-up; set phases.{name}.schedule=rewarm, or take it out"
            )
    first = next(iter(config.phases))
    if config.phases[first].schedule in ("continue", "decay"):
        raise UserError(f"phases.{first}.schedule={config.phases[first].schedule} needs a phase before it; set run or rewarm")


def _train(train: TrainConfig, phase: PhaseConfig, number: int) -> TrainConfig:
    own = {key: getattr(phase, key) for key in ("seq_length", "global_batch", "micro_batch") if getattr(phase, key)}
    return dataclasses.replace(train, **own, **({"batch_ramp_start": 0} if number else {}))


def _whole(optim: OptimConfig, phases: Sequence[Phase]) -> Callable[[int], float]:
    """`optim.schedule` over all phases that say `run`, one after the other."""
    members = [phase for phase in phases if phase.config.schedule == "run"]
    if not members:
        return lambda step: 0.0
    starts: Mapping[int, int] = {phase.number: sum(one.steps for one in members[:place]) for place, phase in enumerate(members)}
    clock = Clock(members)
    total = sum(phase.steps for phase in members)
    schedule = build_schedule(optim, total, _warmup(optim, total, clock))

    def lr(step: int) -> float:
        phase = next(phase for phase in members if phase.first < step <= phase.last)
        before = sum(one.ramp.tokens(one.steps) for one in members if one.number < phase.number)
        return schedule.lr(starts[phase.number] + step - phase.first, before + phase.ramp.tokens(step - phase.first))

    return lr


def _rate(optim: OptimConfig, phase: Phase, before: Phase | None, whole: Callable[[int], float]) -> Callable[[int], float]:
    """Learning rate of the steps of one phase."""
    kind = phase.config.schedule
    if kind == "run":
        return whole
    if kind == "rewarm":
        own = dataclasses.replace(optim, lr=phase.config.lr or optim.lr)
        schedule: WarmStayDecay | DecayOnly = build_schedule(own, phase.steps, _warmup(own, phase.steps, phase.ramp))
        return lambda step: schedule.lr(step - phase.first, phase.ramp.tokens(step - phase.first))
    reached = before.lr(before.last)
    if kind == "continue":
        return lambda step: reached
    schedule = DecayOnly(reached, optim.schedule.min_lr_ratio * optim.lr, optim.schedule.decay_shape, phase.first, phase.steps)
    return lambda step: schedule.lr(step, 0)


def _warmup(optim: OptimConfig, total: int, clock: BatchRamp | Clock) -> int:
    return warmup_steps(optim.schedule, total, clock)
