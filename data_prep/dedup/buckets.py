"""Buckets of equal keys: from the keys of all shards to pairs of documents that share one.

A shard's keys lie sorted, column by column, so that a range of keys is one slice of its file. All slices of one range,
over all shards, are merged in memory: ``parts`` ranges a column make it as small as one likes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.arrays import save_array
from common.layout import DOCUMENTS

KEYS = "keys.npy"


def write_sorted(folder: Path, keys: np.ndarray) -> None:
    """Write the keys [n, columns] (uint64) of a shard into ``folder``: keys.npy [columns, n], each row ascending, and
    documents.npy [columns, n] (uint32), the document of each. It is for the caller to make ``folder`` whole or
    absent."""
    order = np.argsort(keys, axis=0, kind="stable")
    for name, values in ((KEYS, np.take_along_axis(keys, order, 0)), (DOCUMENTS, order.astype(np.uint32))):
        save_array(folder / name, np.ascontiguousarray(values.T))


def edges(
    folders: Sequence[Path], firsts: Sequence[int], column: int, part: int, parts: int, alive: np.ndarray | None = None
) -> np.ndarray:
    """Pairs [e, 2] (int64) that tie every document to the first one with the same key, by rising key.

    ``folders``: where `write_sorted` wrote each shard, in their order; ``firsts``: the number of the first document of
    each, rising. Keys of ``part`` of ``parts`` equal ranges of all keys are looked at, and of documents that are
    ``alive`` (mask [documents]; all). Memory: about 50 bytes for each."""
    slices = [_slice(Path(folder), column, part, parts) for folder in folders]
    keys = np.concatenate([keys for keys, _ in slices]) if slices else np.empty(0, np.uint64)
    documents = [documents + np.int64(first) for (_, documents), first in zip(slices, firsts, strict=True)]
    documents = np.concatenate(documents) if slices else np.empty(0, np.int64)
    if alive is not None:
        keys, documents = keys[alive[documents]], documents[alive[documents]]
    order = np.argsort(keys, kind="stable")  # merges the sorted slices; of equal keys the first document stays first
    keys = keys[order]
    again = np.flatnonzero(keys[1:] == keys[:-1]) + 1
    if not len(again):
        return np.empty((0, 2), np.int64)
    documents = documents[order]
    return np.stack([documents[_begins(again)], documents[again]], axis=1)


def _slice(folder: Path, column: int, part: int, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys and documents of one range of one shard, read from the disk alone."""
    keys = np.load(folder / KEYS, mmap_mode="r", allow_pickle=False)[column]
    start, end = (_place(keys, border, parts) for border in (part, part + 1))
    documents = np.load(folder / DOCUMENTS, mmap_mode="r", allow_pickle=False)[column]
    return np.array(keys[start:end]), np.array(documents[start:end])


def _place(keys: np.ndarray, border: int, parts: int) -> int:
    """Return where the ``border``-th of ``parts`` ranges begins in ascending keys."""
    return len(keys) if border == parts else int(np.searchsorted(keys, np.uint64((border << 64) // parts)))


def _begins(again: np.ndarray) -> np.ndarray:
    """Return where the run of equals begins, for ascending places [k] that equal the one before them."""
    first = np.diff(again, prepend=-1) != 1
    return (again[first] - 1)[np.cumsum(first) - 1]
