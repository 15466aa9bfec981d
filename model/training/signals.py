"""Stopping at a step boundary when the scheduler, or a person, asks."""

import signal
from types import FrameType

from common.progress import say

EXIT_CONTINUE = 75
"""Exit status of a job that was asked to stop, made a save and can be started again (EX_TEMPFAIL of sysexits.h)."""
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class StopRequest:
    """While entered, the first of `SIGNALS` only sets a flag; a second SIGINT stops at once."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> "StopRequest":
        self.former = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)
        say(f"{self.signal.name}: stopping after this step, with a save")

    def __exit__(self, *_: object) -> None:
        for number, handler in self.former.items():
            signal.signal(number, handler)
