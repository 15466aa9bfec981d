"""Ctrl-C (SIGINT): a job ends with status 130 and one line, wherever it is, and the same command continues.

Python raises KeyboardInterrupt wherever the main thread happens to be. Libraries pass over it, make another error of
it, or abort in C++, and code that is not Python is not left for it. So here it is raised in our own code alone, which
cleans up; and a thread ends the process where that takes too long, or when Ctrl-C comes again: what is on disk does not
need the cleaning up."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

EXIT_INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as shells have it."""
PATIENCE, GRACE = 3.0, 10.0
"""Seconds until a library must have returned to our code, and until that must have cleaned up."""
LINE = "interrupted; the same command continues"
NEVER = float("inf")
_SHOW_CURSOR = b"\x1b[?25h"
_STANDARD = os.path.dirname(os.__file__) + os.sep
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = tuple(os.path.join(_ROOT, package, "") for package in ("common", "conf", "data_prep", "jobs", "model", "slurm"))


class _State:
    """State of this process."""

    watched = False
    """SIGINT is handled here: this process is a job, and not Python code of somebody who imports one."""
    running = False
    """Between the imports and the end: there may be something to clean up."""
    asked = False
    told = False
    held = 0
    deadline = NEVER


def watch() -> None:
    """Let Ctrl-C end this process from now on. To be called before anything slow is imported. Where SIGINT is ignored,
    as in the background of a script, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _hear)
        _State.watched = True


def begin() -> None:
    """The imports are over: from now on Ctrl-C is a KeyboardInterrupt first."""
    import threading  # here, for this module comes before all others

    if not _State.watched or _State.running:
        return
    _State.running = True
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_forked)
    threading.Thread(target=_end_what_stays, args=(ours,), name="ctrl-c", daemon=True).start()
    threading.excepthook = _quiet(threading.excepthook)
    sys.unraisablehook = _quiet(sys.unraisablehook)


def end() -> None:
    """The job is done, but for what Python does at exit."""
    _State.running = False


def asked() -> bool:
    """Check whether Ctrl-C has come."""
    return _State.asked


def note() -> None:
    """Ctrl-C has come, and whoever heard of it ends by itself, in its own time."""
    _State.asked = _State.watched


def forget() -> None:
    """Ctrl-C was how this job ends; it is no interruption."""
    end()
    _State.asked, _State.deadline = False, NEVER


def heed() -> None:
    """Raise KeyboardInterrupt where Ctrl-C has come: for other threads, and for what is not to begin after it."""
    if _State.asked:
        raise KeyboardInterrupt


def leave(told: bool = False) -> None:
    """End this process, which has cleaned up, as one that was interrupted. ``told``: it has said what continues it."""
    end()
    if not told:
        _tell()
    if not _State.watched:
        sys.exit(EXIT_INTERRUPTED)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # nobody reads it
            stream.flush()
    os._exit(EXIT_INTERRUPTED)  # threads of libraries may run on, and abort where Python takes itself down


@contextmanager
def deaf() -> Iterator[None]:
    """Processes that are started within never hear of Ctrl-C, which a terminal sends to them too: they are this
    process's to end. It hears of it afterwards, when it knows them."""
    _State.held += 1
    former = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGINT}
    )  # they inherit the mask; other threads may hear of it still
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
        _State.held -= 1
    if not _State.held and _State.asked and _State.deadline < NEVER:
        _raise()


def _hear(number: int, frame: FrameType | None) -> None:
    """The handler of SIGINT."""
    if not _State.running or _State.deadline < NEVER and _State.asked:
        _end_now()
    _State.asked, _State.deadline = True, time.monotonic() + PATIENCE
    if _State.held:
        return
    while (
        frame is not None
        and frame.f_code.co_filename.startswith(_STANDARD)
        and "site-packages" not in frame.f_code.co_filename
    ):
        frame = frame.f_back  # it works, or waits, for its caller
    if frame is None or _is_ours(frame):
        _raise()
    while frame is not None and not _is_ours(frame):
        frame = frame.f_back
    if frame is not None:
        frame.f_trace, frame.f_trace_opcodes = _when_ours, True  # within the line, too
    sys.settrace(_when_ours)


def _when_ours(frame: FrameType, event: str, value: Any) -> None:
    """A trace function: the library has returned to our code, or calls it."""
    if _is_ours(frame):
        sys.settrace(None)
        frame.f_trace = None
        _raise()


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_OURS) and frame.f_code.co_filename != __file__


def _raise() -> None:
    _State.deadline = time.monotonic() + GRACE
    raise KeyboardInterrupt


def _end_what_stays(signals: int) -> None:
    """Body of a thread that hears of signals even where the main thread is in code that is not Python."""
    import select

    count = 0
    while True:
        if select.select([signals], [], [], 0.5 if count else None)[0]:
            count += os.read(signals, 64).count(signal.SIGINT)
            if not _State.running:
                return
            ours = (
                signal.getsignal(signal.SIGINT) is _hear
            )  # not where a training takes the first one as a wish for a checkpoint
            if count > (1 if ours else 2):
                _end_now()
            if count and ours and _State.deadline == NEVER:
                _State.deadline = time.monotonic() + PATIENCE
        if _State.running and time.monotonic() > _State.deadline:
            _end_now()


def _end_now() -> None:
    if os.isatty(2):
        os.write(2, _SHOW_CURSOR)  # which a progress bar may have hidden
    _tell()
    os._exit(EXIT_INTERRUPTED)


def _tell() -> None:
    """The line, once, and past Python's buffers, whose lock another thread may hold."""
    if not _State.told:
        _State.told = True
        with suppress(OSError):  # nobody reads it
            os.write(2, f"{LINE}\n".encode())


def _quiet(hook: Callable[[Any], None]) -> Callable[[Any], None]:
    """``hook``, but for what other threads, and objects that go, say of an interruption."""
    return lambda about: None if _State.asked else hook(about)


def _forked() -> None:
    """A fork is not the job."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _State.watched = _State.running = _State.asked = False
