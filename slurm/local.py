"""Array tasks on this machine: each in a process of its own, as a SLURM array would run them, a few at a time."""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol, TypeVar

from common.children import die_with_parent, starting
from common.disk import DiskError, explained
from common.errors import UserError
from common.progress import Bar, say
from slurm.snapshot import refuse_strangers

P = TypeVar("P")
R = TypeVar("R")


class Report(Protocol):
    """What an array task tells whoever watches."""

    def advance(self, amount: float) -> None:
        """So many more units are done (fewer, when negative)."""

    def say(self, message: str) -> None:
        """A line for the person who watches; the same line from several array tasks is shown once."""


class ArrayTaskError(Exception):
    """An array task ended with an error that is not the user's; the message holds its traceback."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def run_array_tasks(
    function: Callable[[P, Report], R],
    points: Sequence[P],
    workers: int = 0,
    title: str = "array tasks",
    total: float = 0,
    unit: str = "",
) -> list[R]:
    """``function(point, report)`` for every point, at most ``workers`` at a time (0: the cores at hand); results in the
    points' order.

    With more than one worker each array task is a spawned process, so function and points must be picklable; else all
    run here, one after another. ``total`` units fill the progress bar. The first failure stops the others and is
    raised: a UserError with the array task's number before its own message, anything else as ArrayTaskError. Array
    tasks end when this process does, even by SIGKILL."""
    workers = min(workers or cores(), len(points))
    with Bar(title, total or len(points), unit) as bar:
        watch = _Watch(bar, counts=not total)
        if workers <= 1:
            return [_here(function, point, watch) for point in points]
        return _Pool(function, points, workers, watch).run()


class _Watch:
    """The parent's side of Report: one bar, each message once."""

    def __init__(self, bar: Bar, counts: bool):
        self.bar, self.counts = bar, counts
        self.said: set[str] = set()

    def advance(self, amount: float) -> None:
        self.bar.advance(0 if self.counts else amount)

    def say(self, message: str) -> None:
        if message not in self.said:
            self.said.add(message)
            say(message)

    def done(self) -> None:
        self.bar.advance(1 if self.counts else 0)


def _here(function: Callable[[P, Report], R], point: P, watch: _Watch) -> R:
    result = function(point, watch)
    watch.done()
    return result


@dataclass
class _Pool:
    """Spawned array tasks, each with a pipe to here."""

    function: Callable
    points: Sequence
    workers: int
    watch: _Watch
    running: dict[Connection, tuple[int, Any]] = field(default_factory=dict)
    results: dict[int, Any] = field(default_factory=dict)

    def run(self) -> list[Any]:
        try:
            started = 0
            while len(self.results) < len(self.points):
                while started < len(self.points) and len(self.running) < self.workers:
                    self._start(started)
                    started += 1
                for pipe in wait(list(self.running)):
                    self._hear(pipe)
            return [self.results[index] for index in range(len(self.points))]
        finally:
            for _, process in self.running.values():
                process.terminate()
            for pipe, (_, process) in self.running.items():
                process.join()
                pipe.close()

    def _start(self, index: int) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=_array_task, args=(self.function, self.points[index], theirs), name=f"array task-{index + 1}"
        )
        with starting():
            process.start()
            self.running[ours] = index, process
        theirs.close()

    def _hear(self, pipe: Connection) -> None:
        """Act on one message of an array task; the end of its pipe without a result is its death."""
        index, process = self.running[pipe]
        try:
            kind, value = pipe.recv()
        except (EOFError, OSError):
            process.join()
            raise UserError(
                f"{self._name(index)} {_death(process.exitcode)}; the same command does what is left"
            ) from None
        if kind == "advance":
            self.watch.advance(value)
        elif kind == "say":
            self.watch.say(value)
        elif kind == "user_error":
            raise UserError(f"{self._name(index)}: {value}")
        elif kind == "disk_error":
            message, passing = value
            raise DiskError(f"{self._name(index)}: {message}", passing)
        elif kind == "error":
            raise ArrayTaskError(f"{self._name(index)} failed:\n{value}")
        else:
            self.results[index] = value
            del self.running[pipe]
            process.join()
            pipe.close()
            self.watch.done()

    def _name(self, index: int) -> str:
        return f"array task {index + 1} of {len(self.points)}"


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"was killed by {name}" + (
            " (for lack of memory? try fewer cluster.workers)" if name == "SIGKILL" else ""
        )
    return f"ended without a result (exit status {exitcode})"


class _Sender:
    """The array task's side of Report."""

    def __init__(self, pipe: Connection):
        self.pipe = pipe

    def advance(self, amount: float) -> None:
        self.pipe.send(("advance", amount))

    def say(self, message: str) -> None:
        self.pipe.send(("say", message))


def _array_task(function: Callable, point: Any, pipe: Connection) -> None:
    """Body of a spawned array task."""
    die_with_parent()
    try:
        refuse_strangers()
        answer = "result", function(point, _Sender(pipe))
    except UserError as error:
        answer = "user_error", str(error)
    except Exception as error:
        known = explained(error)
        answer = ("disk_error", (str(known), known.passing)) if known else ("error", traceback.format_exc())
    pipe.send(answer)
    pipe.close()
