"""What a callback may do, and when."""

from typing import TYPE_CHECKING

from model.training.callbacks.step_record import StepRecord
from model.training.checkpoints.checkpoints import Checkpoint

if TYPE_CHECKING:
    from model.training.loop import Loop


class Callback:
    """Does nothing; a callback overrides what it needs. Callbacks are called in the order of `jobs.train`'s list."""

    def start(self, loop: "Loop") -> None:
        """Before the first step of this attempt; the state stands where the run goes on."""

    def step(self, loop: "Loop", record: StepRecord) -> None:
        """After each step, and once before the first step of a new run with step 0 and no loss. ``record(name, value)``
        adds a metric to it; those after this callback see it, and every writer writes it."""

    def saved(self, loop: "Loop", checkpoint: Checkpoint) -> None:
        """After a checkpoint."""

    def end(self, loop: "Loop") -> None:
        """After the last step of this attempt, unless it failed."""

    def close(self) -> None:
        """At last, whatever happened."""
