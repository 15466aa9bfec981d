"""How a job ends: what an error means for the exit status, and what is said of it."""

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

from common import disk, interrupt
from common.errors import AlreadyReported, UserError
from common.fence import EXIT_SUPERSEDED, Superseded
from common.screen import plain

SAYING_SECONDS = 2.0
"""What a rank waits before it ends for an error that another one says: torchrun stops the others when one has ended."""


def guard(action: Callable[[], Any]) -> Any:
    """Call ``action``; end with one sentence and a status where bad input, a disk or another process of the run ended
    it."""
    try:
        result = action()
        sys.stdout.flush()  # which may be a file on a full disk
        return result
    except SystemExit:
        raise
    except BaseException as error:
        interrupt.heed()  # whatever a library made of it
        if isinstance(error, BrokenPipeError) and _is_closed(sys.stdout):
            _discard(sys.stdout)
            sys.exit(128 + signal.SIGPIPE)
        if isinstance(error, AlreadyReported):
            time.sleep(SAYING_SECONDS)
            sys.exit(2)
        if isinstance(error, Superseded):
            _end(str(error), EXIT_SUPERSEDED)
        if known := error if isinstance(error, UserError) else disk.explained(error):
            _end(f"error: {known}", 2)
        raise


def _is_closed(stream: TextIO) -> bool:
    """Whether nobody reads ``stream`` any more, as behind `| head`."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return bool(poll.poll(0))


def _discard(stream: TextIO) -> None:
    """Let Python end without another try to write ``stream``, which would make another exit status of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _end(sentence: str, status: int) -> NoReturn:
    """End with a status, and say why where there is still a place to say it."""
    for stream, text in ((sys.stderr, plain(f"{sentence}\n")), (sys.stdout, "")):
        try:
            stream.write(text)
            stream.flush()
        except OSError:  # a log on a full disk
            _discard(stream)
    sys.exit(status)
