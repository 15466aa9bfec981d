"""The end of a file that grows: a log, a series of metrics."""

import os
from pathlib import Path

BYTES = 1 << 16


def read_tail(path: str | Path, size: int = BYTES) -> str:
    """The last whole lines of a text file, at most ``size`` bytes of them; empty where there is none, or it cannot be
    read."""
    if not os.path.isfile(path):  # a pipe would be waited for
        return ""
    try:
        with Path(path).open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - size))
            data = file.read()
    except OSError:
        return ""
    if end > size:
        data = data.partition(b"\n")[2]
    return data.decode(errors="replace")
