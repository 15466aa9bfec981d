"""Deaths of a job in a fork, for the scripts that kill one again and again."""

import os
import signal
import sys
from collections.abc import Callable

EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink")


def die() -> None:
    """As a machine that loses its power: nothing is flushed, nothing cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_before_step_on_disk(number: int, where: str) -> None:
    """Die before the ``number``-th time that a path with ``where`` in it is opened for writing, made, renamed or
    removed (0: never)."""
    count = 0

    def look(event: str, arguments: tuple) -> None:
        nonlocal count
        opened = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wxa")
        if (opened or event in EVENTS) and where in str(arguments[0]):
            count += 1
            if count == number:
                die()

    sys.addaudithook(look)


def in_fork(function: Callable[[], object]) -> int:
    """Exit status of a fork that calls ``function``."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    status = 1
    try:
        function()
        status = 0
    finally:
        os._exit(status)
