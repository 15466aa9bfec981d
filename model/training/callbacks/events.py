"""TensorBoard's event files: what its thread cannot write is an error of whoever writes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.disk import explained, naming

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@contextmanager
def events(folder: str | Path, **options: Any) -> Iterator["SummaryWriter"]:
    """A `SummaryWriter` for ``folder``. Its thread keeps an OSError (a full disk, a folder that was removed) for the
    next call, so it need not print it; at the end all is on disk, or OSError names the folder."""
    from torch.utils.tensorboard import SummaryWriter

    former = threading.excepthook

    def told_by_the_next_call(died: threading.ExceptHookArgs) -> None:
        if not (isinstance(died.exc_value, OSError) or died.exc_value and explained(died.exc_value)):
            former(died)

    threading.excepthook = told_by_the_next_call
    try:
        with naming(folder):
            writer = SummaryWriter(str(folder), **options)
            try:
                yield writer
                writer.flush()  # closing alone does not look at what the thread has met
            finally:
                writer.close()
    finally:
        threading.excepthook = former
