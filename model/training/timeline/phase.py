"""The phases of a run: where each begins, how long it is, which batch and learning rate its steps have. All known
before the first step."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from conf.schema import Config, DecoderConfig, OptimConfig, PhaseConfig, TrainConfig
from conf.schema.phase import scaled
from model.training.timeline.batch_ramp import BatchRamp
from model.training.timeline.schedule import DecayOnly, Schedule, build_schedule, warmup_steps

STAY = DecayOnly(0.0, 0.0, "linear", 0, 1)
"""No learning rate yet."""
MAIN = "(run)"
"""Name of the one phase of a run without section `phases`; none there can be called so."""


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
    schedule: Schedule
    """Learning rate by steps and tokens counted from where it began, which may be in a phase before."""
    steps_before: int = 0
    """Steps of the schedule made before this phase."""
    tokens_before: int = 0
    """Tokens (capacity), likewise."""
    rope_theta: float = 0.0
    """RoPE base that is in force; 0 for that of section `model`."""

    @property
    def last(self) -> int:
        """Its last step."""
        return self.first + self.steps

    def samples(self, step: int) -> int:
        """Samples of this phase consumed after ``step`` of the run."""
        return self.ramp.samples(step - self.first)

    def lr(self, step: int) -> float:
        """Learning rate of ``step`` of the run."""
        done = step - self.first
        return self.schedule.lr(self.steps_before + done, self.tokens_before + self.ramp.tokens(done))


@dataclass(frozen=True)
class PhaseClock:
    """Samples and tokens (capacity) of a run after each step, over all phases."""

    phases: Sequence[Phase]

    def samples(self, step: int) -> int:
        """Samples after ``step`` steps."""
        return sum(phase.samples(min(step, phase.last)) for phase in self.phases if step > phase.first)

    def tokens(self, step: int) -> int:
        """Capacity in tokens after ``step`` steps."""
        return sum(
            phase.ramp.tokens(min(step, phase.last) - phase.first) for phase in self.phases if step > phase.first
        )

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
    """The phases of section `phases`, in their order. Raises UserError for one without a budget, and where lengths do
    not fit."""
    _check(config)
    found: list[Phase] = []
    for number, (name, phase) in enumerate(scaled(config.phases, config.budget).items()):
        train = _train(config.train, phase, number)
        try:
            ramp = BatchRamp(train, data_parallel)
        except UserError as error:
            raise UserError(f"phases.{name}: {error}") from error
        # To the last whole batch within the budget: text that is there for one reading is not begun again for a part of
        # a batch.
        steps = (
            max(1, phase.tokens // (train.seq_length * train.global_batch))
            if not train.batch_ramp_start
            else ramp.steps(phase.tokens)
        )
        first, theta = (found[-1].last, found[-1].rope_theta) if found else (0, 0.0)
        data = phase.data or str(Path(config.mixture.output) / name)
        found.append(
            Phase(name, number, phase, train, data, ramp, first, steps, STAY, rope_theta=phase.rope_theta or theta)
        )
    for number in range(len(found)):
        found[number] = _scheduled(config.optim, found, number)
    return found


def _check(config: Config) -> None:
    train = config.train
    if train.steps or train.tokens:
        raise UserError(
            f"train.steps={train.steps} and train.tokens={train.tokens}: the phases say how long they are; set both"
            " to 0"
        )
    if train.validation_fraction:
        raise UserError(
            f"train.validation_fraction={train.validation_fraction:g}: a document may be in several phases, so none can"
            " be"
            " held out of one; leave it out (or 0) and name prepared held-out text, such as"
            " data.validation.law=data/law_dev/tokens"
        )
    if train.decay_only:
        raise UserError("train.decay_only is for runs of one phase; add a phase with schedule: decay instead")
    for name, phase in config.phases.items():
        if not phase.tokens:
            raise UserError(f"phases.{name}.tokens=0: a phase of a training needs a budget; set phases.{name}.tokens")
        if phase.rope_theta and not isinstance(config.model, DecoderConfig):
            raise UserError(f"phases.{name}.rope_theta is for decoders; take it out")
        if phase.lr and phase.schedule != "rewarm":
            raise UserError(
                f"phases.{name}.lr={phase.lr:g} is the peak of a new warm-up; set phases.{name}.schedule=rewarm, or"
                " take it out"
            )
    first = next(iter(config.phases))
    if config.phases[first].schedule in ("continue", "decay"):
        raise UserError(
            f"phases.{first}.schedule={config.phases[first].schedule} needs a phase before it; set run or rewarm"
        )


def _train(train: TrainConfig, phase: PhaseConfig, number: int) -> TrainConfig:
    own = {key: getattr(phase, key) for key in ("seq_length", "global_batch", "micro_batch") if getattr(phase, key)}
    return dataclasses.replace(train, **own, **({"batch_ramp_start": 0} if number else {}))


def _end_to_end(phases: Sequence[Phase]) -> list[Phase]:
    """``phases`` as if there were none between them."""
    found: list[Phase] = []
    for phase in phases:
        found.append(dataclasses.replace(phase, first=found[-1].last if found else 0))
    return found


def _scheduled(optim: OptimConfig, phases: Sequence[Phase], number: int) -> Phase:
    """Phase ``number`` of ``phases`` with its learning rate; those before it have theirs."""
    phase = phases[number]
    if phase.config.schedule == "run":
        clock = PhaseClock(_end_to_end([one for one in phases if one.config.schedule == "run"]))
        total = clock.phases[-1].last
        schedule: Schedule = build_schedule(optim, total, warmup_steps(optim.schedule, total, clock))
        before = next(one.first for one in clock.phases if one.number == number)
        return dataclasses.replace(phase, schedule=schedule, steps_before=before, tokens_before=clock.tokens(before))
    if phase.config.schedule == "rewarm":
        own = dataclasses.replace(optim, lr=phase.config.lr or optim.lr)
        warmup = warmup_steps(own.schedule, phase.steps, phase.ramp)
        return dataclasses.replace(phase, schedule=build_schedule(own, phase.steps, warmup))
    reached = phases[number - 1].lr(phase.first)
    if phase.config.schedule == "continue":
        return dataclasses.replace(phase, schedule=DecayOnly(reached, reached, "linear", 0, phase.steps))
    low = optim.schedule.min_lr_ratio * optim.lr
    return dataclasses.replace(phase, schedule=DecayOnly(reached, low, optim.schedule.decay_shape, 0, phase.steps))
