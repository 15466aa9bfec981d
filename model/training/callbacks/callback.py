"""What a callback may do, and when."""

from typing import TYPE_CHECKING, Any

from model.training.checkpoints.checkpoints import Checkpoint

if TYPE_CHECKING:
    from model.training.loop import Loop

Record = dict[str, Any]
"""What is known of one step: step, tokens, samples, loss, lr, ...; callbacks add to it, and those after them read what
they added."""


class Callback:
    """Does nothing; a callback overrides what it needs. Callbacks are called in the order of `jobs.train`'s list."""

    def start(self, loop: "Loop") -> None:
        """Before the first step of this attempt; the state stands where the run goes on."""

    def step(self, loop: "Loop", record: Record) -> None:
        """After each step, and once before the first step of a new run with step 0 and no loss."""

    def saved(self, loop: "Loop", checkpoint: Checkpoint) -> None:
        """After a checkpoint."""

    def end(self, loop: "Loop") -> None:
        """After the last step of this attempt, unless it failed."""

    def close(self) -> None:
        """At last, whatever happened."""
