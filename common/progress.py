"""A progress bar where someone watches, a line now and then where nobody does."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from common.errors import UserError
from common.screen import Screen, line, plain

T = TypeVar("T")
console = Screen(stderr=True)
LINE_EVERY_SECONDS = 15.0


class ProgressReport(Protocol):
    """Receiver of the progress of a unit of work (see `slurm.local`)."""

    def advance(self, amount: float) -> None:
        """Count so many more units (MB of input) as done."""

    def say(self, message: str) -> None:
        """Print a line for the person who watches."""


class Bar:
    """Progress of one long stage. ``with Bar("encode", total=10) as bar: bar.advance(1, note="loss 4.2")``."""

    def __init__(self, title: str, total: float, unit: str = ""):
        self.title, self.total, self.unit = title, total, unit
        self.done = 0.0
        self.started = self.printed = time.monotonic()
        self.progress: Progress | None = None

    def __enter__(self) -> "Bar":
        if sys.stderr.isatty() and not console.quiet:
            self.progress = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
                TextColumn(self.unit),
                TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False),
                console=console,
            )  # fmt: skip
            self.task = self.progress.add_task(self.title, total=self.total, note="")
            self.progress.start()
        return self

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Say that ``amount`` more units are done; ``note`` replaces the text at the end of the bar."""
        self.done += amount
        if self.progress:
            self.progress.update(self.task, completed=self.done, note=note)
        elif self.done < self.total and time.monotonic() - self.printed >= LINE_EVERY_SECONDS:
            self.printed = time.monotonic()
            self._line(note)

    def _line(self, note: str) -> None:
        seconds = time.monotonic() - self.started
        if not console.quiet:
            told = f"{self.title}: {self.done:g}/{self.total:g} {self.unit} in {seconds:.0f} s {note}"
            print(plain(told).rstrip(), file=sys.stderr, flush=True)

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        if self.progress:
            self.progress.stop()
        elif not (kind and issubclass(kind, UserError)):  # which is one sentence, alone
            self._line("")


def track(items: Iterable[T], title: str, total: int, unit: str = "") -> Iterator[T]:
    """Yield ``items`` while a bar shows how far they are."""
    with Bar(title, total, unit) as bar:
        for item in items:
            yield item
            bar.advance()


def hush() -> None:
    """Let this process show neither bars nor lines: another one of the same job does."""
    console.quiet = True


def say(message: str, style: str = "") -> None:
    """A line for the person who watches, as it is (`common.screen`); never part of a result on standard output."""
    console.print(line(message, style), soft_wrap=True)
