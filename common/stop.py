"""Stopping when the scheduler, or a person, asks: at once, or at the next step boundary while a `StopRequest` is
entered."""

import signal
import sys
from types import FrameType

from common import interrupt
from common.progress import say

EXIT_CONTINUE = 75
"""Exit status of a job that was asked to stop, lost nothing and can be started again (EX_TEMPFAIL of sysexits.h)."""
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)


def leave_when_asked() -> None:
    """Let the signals of a scheduler end this process with `EXIT_CONTINUE`, its cleanup done, wherever it
    is."""
    for number in SIGNALS[:3]:
        signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    say(f"{signal.Signals(number).name}: stopping here; what is whole on disk stays")
    sys.exit(EXIT_CONTINUE)


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
        if number == signal.SIGINT:
            if self.signal:
                former = self.former[number]
                former(number, frame) if callable(former) else signal.default_int_handler(number, frame)
            interrupt.note()
        if not self.signal:
            again = "; another Ctrl-C ends it now" if number == signal.SIGINT else ""
            say(f"{signal.Signals(number).name}: stopping after this step, with a checkpoint{again}")
        self.signal = signal.Signals(number)

    def __exit__(self, *_: object) -> None:
        for number, handler in self.former.items():
            signal.signal(number, handler)
