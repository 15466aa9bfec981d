"""Steps whose loss or gradient is not finite: skipped, counted, and the end of the run when they do not stop."""

from common.errors import UserError
from common.progress import say
from model.training.callbacks.callback import Callback
from model.training.callbacks.step_record import TRAIN, StepRecord
from model.training.checkpoints.checkpoints import Checkpoint, list_checkpoints


def mend(checkpoints: list[Checkpoint]) -> str:
    """What to do about a run with ``checkpoints`` that diverges."""
    if not checkpoints:
        return (
            "lower optim.lr and give the same command again (the run has no checkpoint, so it takes another"
            " configuration)"
        )
    return (
        f"lower optim.lr in another run=<name>, which with train.branch_from={checkpoints[-1].folder} goes on from"
        " before"
        " that"
    )


class NanGuard(Callback):
    """Counts such steps, and keeps the last finite loss."""

    def __init__(self, patience: int):
        """``patience``: steps in a row that may be skipped before the run stops."""
        self.patience = patience

    def step(self, loop, record: StepRecord) -> None:
        """Count a skipped step. Raises UserError naming step and samples when there were too many in a row."""
        state = loop.state
        if not record.step:
            return
        if not record.skipped:
            state.not_finite, state.loss = 0, record.metrics[f"{TRAIN}/loss"]
            return
        state.skipped += 1
        state.not_finite += 1
        where = f"step {record.step} (samples {record.samples - record.batch} to {record.samples - 1})"
        if state.not_finite >= max(1, self.patience):
            checkpoints = [
                checkpoint for checkpoint in list_checkpoints(loop.run.folder) if checkpoint.step < state.step
            ]
            raise UserError(
                f"loss or gradient was not finite {state.not_finite} steps in a row, last at {where}; look at these"
                f" samples, or {mend(checkpoints)}"
            )
        say(f"warning: loss or gradient is not finite at {where}; the update is skipped")
