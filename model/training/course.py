"""How long a run is, how large its batches are, and which learning rate each step has: all known before the first step."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from common.errors import UserError
from conf.schema import Config
from model.training.batch_ramp import BatchRamp, total_steps, warmup_steps
from model.training.run import Run, show
from model.training.save_points import SavePoints
from model.training.saves import list_saves, read_save, verify
from model.training.schedule import Schedule, WarmStayDecay, build_decay, build_schedule


@dataclass(frozen=True)
class Branch:
    """The save of another run that this one starts from, as the manifest keeps it (the save itself may go later)."""

    save: str
    step: int
    lr: float
    plan: str


@dataclass(frozen=True)
class Course:
    """What follows from the configuration alone."""

    ramp: BatchRamp
    total: int
    """Steps of the whole run; a branch counts on from the step of its save."""
    schedule: Schedule
    start: int = 0
    """Step that a new run begins after: 0, or that of the save it branches from."""

    def save_points(self, config: Config) -> SavePoints:
        """Where its probe saves are."""
        return SavePoints(config.train.save, self.ramp, self.total)

    def lr(self, step: int) -> float:
        """Learning rate of one step."""
        return self.schedule.lr(step, self.ramp.tokens(step))


def find_branch(config: Config, run: Run) -> Branch | None:
    """Where the run branches from; read from its manifest once it has begun. Raises UserError where that save is missing or broken."""
    if config.train.branch_from is None:
        if config.train.decay_only:
            raise UserError("train.decay_only decays from the learning rate of a save; name that save in train.branch_from")
        return None
    if "branch" in run.manifest:
        return Branch(**run.manifest["branch"])
    save = read_save(config.train.branch_from)
    if problem := verify(save):
        raise UserError(f"the save {save.folder} in train.branch_from is broken ({problem}); name another one")
    return Branch(str(save.folder), save.step, save.manifest["lr"], save.manifest["plan"])


def build_course(config: Config, branch: Branch | None = None, data_parallel: int = 1) -> Course:
    """The course of a run. Raises UserError where lengths do not fit together."""
    ramp = BatchRamp(config.train, data_parallel)
    start = branch.step if branch else 0
    if branch and config.train.decay_only:
        schedule: Schedule = build_decay(config.optim, branch.lr, start)
        return Course(ramp, start + config.optim.schedule.decay_steps, schedule, start)
    total = total_steps(config.train, ramp)
    if branch and total <= start:
        raise UserError(
            f"train.branch_from starts at step {start}, but the run ends at step {total}; lengthen train.steps (or train.tokens)"
        )
    warmup = warmup_steps(config.optim.schedule.warmup_steps, config.optim.schedule.warmup_tokens, ramp)
    return Course(ramp, total, build_schedule(config.optim, total, warmup), start)


def check_extension(run: Run, config: Config, course: Course, branch: Branch | None = None) -> None:
    """Raise UserError where a run is given another length or decay after a step whose learning rate depended on it."""
    saves = list_saves(run.folder)
    if not run.extended or not saves:
        return
    former = config
    for key, (old, _) in run.extended.items():
        former = with_value(former, key, old)
    done = saves[-1].step
    begins = min(_decay_begins(build_course(former, branch, course.ramp.data_parallel)), _decay_begins(course))
    if done > begins:
        early = [save for save in saves if save.step <= begins]
        mend = f"run=<name> train.branch_from={early[-1].folder} branches from before" if early else "choose another run=<name>"
        raise UserError(
            f"{run.folder} is at step {done}, and after step {begins} its learning rate depends on what changed "
            f"({show(run.extended)}); set that back, or {mend}"
        )


def with_value(config: Any, key: str, value: Any) -> Any:
    """A copy of ``config`` with the dotted ``key`` set to ``value``."""
    head, _, rest = key.partition(".")
    return dataclasses.replace(config, **{head: with_value(getattr(config, head), rest, value) if rest else value})


def _decay_begins(course: Course) -> int:
    """Steps made before the learning rate depends on the length of the run."""
    return course.schedule.decay_begins if isinstance(course.schedule, WarmStayDecay) else course.start
