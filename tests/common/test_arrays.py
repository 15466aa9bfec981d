"""Arrays are whole on disk, or an error says that they are not."""

import re
from pathlib import Path

import numpy as np
import pytest

from common.arrays import save_array

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("count", [120, 400, 500, 600, 5000])
def test_an_array_that_does_not_fit_is_never_cut_off_in_silence(tmp_path, file_limit, count):
    """As `np.save` does to one of less than 4096 bytes, and to the end of a larger one."""
    with pytest.raises(OSError), file_limit(1000):
        save_array(tmp_path / "a.npy", np.zeros(count))


@pytest.mark.parametrize("array", [
    np.arange(70_000, dtype=np.uint32).reshape(7, -1), np.arange(12.0).reshape(3, 4).T, np.zeros((0, 5), np.float16),
    np.int64(3),
    np.array(["a", "çok"]),
], ids=["plain", "columns", "empty", "number", "texts"])  # fmt: skip
def test_the_bytes_are_those_of_numpy(tmp_path, array):
    save_array(tmp_path / "ours.npy", array)
    np.save(tmp_path / "theirs.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def test_nobody_writes_arrays_past_it():
    files = [
        path for package in ("common", "data_prep", "model", "jobs", "slurm") for path in (ROOT / package).rglob("*.py")
    ]
    calls = [path for path in files if re.search(r"\bnp\.save\(|\.tofile\(|\.save_model\(", path.read_text())]
    assert calls == []
