"""The place where a probe of a fresh checkpoint is hooked in."""

from collections.abc import Callable

from model.training.callbacks.callback import Callback
from model.training.checkpoints.checkpoints import PROBE, Checkpoint


class Probe(Callback):
    """Calls a function that a job gives after every probe checkpoint. What a probe is, the training does not know."""

    def __init__(self, function: Callable[[Checkpoint], None]):
        """``function(checkpoint)``: probes the checkpoint, or submits an array task that does."""
        self.function = function

    def saved(self, loop, checkpoint: Checkpoint) -> None:
        """Hand a probe checkpoint over."""
        if checkpoint.kind == PROBE:
            self.function(checkpoint)
