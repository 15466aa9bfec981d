"""How long a run is, how large its batches are, and which learning rate each step has: all known before the first
step."""

from dataclasses import dataclass

from common.errors import UserError
from conf.schema import Config, PhaseConfig
from model.training.timeline.batch_ramp import BatchRamp, total_steps
from model.training.timeline.checkpoint_steps import CheckpointSteps
from model.training.timeline.phase import MAIN, Phase, PhaseClock, build_phases
from model.training.timeline.schedule import Schedule, WarmStayDecay, build_decay, build_schedule, warmup_steps


@dataclass(frozen=True)
class Branch:
    """The checkpoint of another run that this one starts from, as the manifest keeps it (the checkpoint itself may go
    later)."""

    checkpoint: str
    step: int
    lr: float
    plan: str


@dataclass(frozen=True)
class Timeline:
    """What follows from the configuration alone."""

    phases: list[Phase]
    """At least one."""
    start: int = 0
    """Step that a new run begins after: 0, or that of the checkpoint it branches from."""
    decay_begins: int = 0
    """Steps made before the learning rate depends on the length of the run."""

    @property
    def total(self) -> int:
        """Steps of the whole run; a branch counts on from the step of its checkpoint."""
        return self.phases[-1].last

    @property
    def warmup(self) -> int | None:
        """Steps of the warm-up of a run of one phase; None where it has none of its own."""
        schedule = self.phases[0].schedule
        return schedule.warmup if self.phases[0].name == MAIN and isinstance(schedule, WarmStayDecay) else None

    @property
    def clock(self) -> PhaseClock:
        """Samples and tokens after each step."""
        return PhaseClock(self.phases)

    def checkpoint_steps(self, config: Config) -> CheckpointSteps:
        """Where its probe checkpoints are: by section `train.checkpoint`, and at the end of every phase."""
        return CheckpointSteps(
            config.train.checkpoint, self.clock, self.total, tuple(phase.last for phase in self.phases), self.start
        )

    def phase_of(self, step: int) -> Phase:
        """The phase in which ``step`` (1 is the first) is made; the last one for steps beyond the end."""
        return next((phase for phase in self.phases if step <= phase.last), self.phases[-1])

    def phases_after(self, step: int) -> list[Phase]:
        """The phases that are not over after ``step`` steps."""
        return [phase for phase in self.phases if phase.last > step]

    def lr(self, step: int) -> float:
        """Learning rate of one step."""
        return self.phase_of(step).lr(step)


def build_timeline(
    config: Config, branch: Branch | None = None, data_parallel: int = 1, warmup: int | None = None
) -> Timeline:
    """The timeline of a run, which began with ``warmup`` steps of warm-up where that is known: where they are a share
    of its steps, they stay so many when it is extended. Raises UserError where lengths do not fit together."""
    start = branch.step if branch else 0
    if config.phases:
        return _of_phases(config, start, data_parallel)
    return _of_one(config, branch, start, data_parallel, warmup)


def _of_phases(config: Config, start: int, data_parallel: int) -> Timeline:
    phases = build_phases(config, data_parallel)
    _check_length(start, phases[-1].last)
    constant = config.optim.schedule.kind == "constant" or all(phase.config.schedule != "run" for phase in phases)
    return Timeline(phases, start, phases[-1].last if constant else start)


def _of_one(config: Config, branch: Branch | None, start: int, data_parallel: int, warmup: int | None) -> Timeline:
    """A run without section `phases`."""
    ramp = BatchRamp(config.train, data_parallel)
    if branch and config.train.decay_only:
        decay = build_decay(config.optim, branch.lr, start)
        return Timeline([_main(config, ramp, start + decay.length, decay)], start, start)
    total = total_steps(config.train, ramp)
    _check_length(start, total)
    if warmup is None or not config.optim.schedule.settled().warmup_share:
        warmup = warmup_steps(config.optim.schedule, total, ramp)
    schedule = build_schedule(config.optim, total, warmup)
    return Timeline([_main(config, ramp, total, schedule)], start, schedule.decay_begins)


def _check_length(start: int, total: int) -> None:
    if total <= start:
        raise UserError(
            f"train.branch_from starts at step {start}, but the run ends at step {total}; lengthen train.steps,"
            " train.tokens or the phases"
        )


def _main(config: Config, ramp: BatchRamp, steps: int, schedule: Schedule) -> Phase:
    return Phase(MAIN, 0, PhaseConfig(), config.train, config.data.tokens, ramp, 0, steps, schedule)
