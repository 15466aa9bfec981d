"""The place where a probe of a fresh save is hooked in."""

from collections.abc import Callable

from model.training.callbacks.callback import Callback
from model.training.saves import PROBE, Save


class Probe(Callback):
    """Calls a function that a job gives after every probe save. What a probe is, the training does not know."""

    def __init__(self, function: Callable[[Save], None]):
        """``function(save)``: probes the save, or submits an element that does."""
        self.function = function

    def saved(self, loop, save: Save) -> None:
        """Hand a probe save over."""
        if save.kind == PROBE:
            self.function(save)
