"""Arrays on disk."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np


def save_array(path: str | Path, array: np.ndarray) -> None:
    """Write the bytes that `np.save` writes, and raise OSError where the disk does not take them all.

    `np.save` hands its array to C's buffered stdio, and nobody looks whether the last 4096 bytes, or all of a small
    array, arrived."""
    with Path(path).open("wb") as file:
        no_file = SimpleNamespace(write=file.write)  # so that numpy writes through Python
        np.lib.format.write_array(no_file, np.asanyarray(array), allow_pickle=False)
