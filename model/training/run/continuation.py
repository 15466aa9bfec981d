"""Where a run goes on: from a checkpoint of another run, or beyond the length that it had."""

from common.errors import UserError
from conf.schema import Config
from conf.schema.replace import with_value
from model.training.checkpoints.checkpoints import list_checkpoints, read_checkpoint, verify
from model.training.run.config import show
from model.training.run.folder import Run
from model.training.timeline.timeline import Branch, Timeline, build_timeline


def find_branch(config: Config, run: Run) -> Branch | None:
    """Where the run branches from; read from its manifest once it has begun. Raises UserError where that checkpoint is
    missing or broken."""
    if config.train.branch_from is None:
        if config.train.decay_only:
            raise UserError(
                "train.decay_only decays from the learning rate of a checkpoint; name that checkpoint in"
                " train.branch_from"
            )
        return None
    if "branch" in run.manifest:
        return Branch(**run.manifest["branch"])
    checkpoint = read_checkpoint(config.train.branch_from)
    if problem := verify(checkpoint):
        raise UserError(
            f"the checkpoint {checkpoint.folder} in train.branch_from is broken ({problem}); name another one"
        )
    return Branch(str(checkpoint.folder), checkpoint.step, checkpoint.manifest["lr"], checkpoint.manifest["plan"])


def check_extension(run: Run, config: Config, timeline: Timeline, branch: Branch | None = None) -> None:
    """Raise UserError where a run is given another length or decay after a step whose learning rate depended on it."""
    checkpoints = list_checkpoints(run.folder)
    if not run.extended or not checkpoints:
        return
    former, done, begins = config, checkpoints[-1].step, timeline.decay_begins
    if not config.phases:  # of phases only those ahead can have changed
        for key, (old, _) in run.extended.items():
            former = with_value(former, key, old)
        begins = min(build_timeline(former, branch, timeline.phases[0].ramp.data_parallel).decay_begins, begins)
    if done > begins:
        early = [checkpoint for checkpoint in checkpoints if checkpoint.step <= begins]
        mend = (
            f"run=<name> train.branch_from={early[-1].folder} branches from before"
            if early
            else "choose another run=<name>"
        )
        raise UserError(
            f"{run.folder} is at step {done}, and after step {begins} its learning rate depends on what changed "
            f"({show(run.extended)}); set that back, or {mend}"
        )
