"""Processes that this one starts and ends itself: they hear of no Ctrl-C, which a terminal sends to all, and do not
outlive it."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

from common.interrupt import deaf


@contextmanager
def starting() -> Iterator[None]:
    """While entered, processes of `multiprocessing` start deaf to Ctrl-C, and this one hears of it afterwards, when it
    knows them."""
    resource_tracker.ensure_running()  # its own start would lift what `deaf` does
    with deaf():
        yield


def die_with_parent() -> None:
    """Let this process, a spawned one, end with the one that started it, even by SIGKILL."""
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
