"""The .bin/.idx pair of Megatron-Core's IndexedDataset, written and read without importing it (5 to 12 s and 360 MB a
process).

.bin: the token ids of one sequence after another, little-endian, nothing between them. .idx: 9 bytes ``MMIDIDX\\0\\0``;
version 1 (uint64); code of the dtype (uint8); number of sequences n (uint64); number of document boundaries d (uint64);
n lengths in tokens (int32); n byte offsets into .bin (int64); d sequence numbers where documents begin, the first 0 and
the last n (int64); with images also n modes (int8), which is refused here. We write one sequence a document, so d = n +
1. The bytes equal those of `megatron.core.datasets.indexed_dataset.IndexedDatasetBuilder` (0.16.1), which the tests
compare."""

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from common.errors import UserError
from common.layout import TOKENS, TOKENS_INDEX

MAGIC = b"MMIDIDX\x00\x00"
HEADER = struct.Struct("<9sQBQQ")
CODES = {1: np.uint8, 2: np.int8, 3: np.int16, 4: np.int32, 5: np.int64, 8: np.uint16}
BLOCK = 1 << 20
BIN, IDX = TOKENS, TOKENS_INDEX


class Writable(Protocol):
    """Writer of bytes: a file, or something that digests them."""

    def write(self, data: bytes, /) -> object:
        """Take ``data``."""


class Digest:
    """SHA-256 of what is written through it, to ``file`` when there is one."""

    def __init__(self, file: Writable | None = None):
        self.file, self.seen, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        """Pass ``data`` on and take it in."""
        if self.file:
            self.file.write(data)
        self.seen.update(data)
        self.size += len(data)

    def hex(self) -> str:
        """The digest so far."""
        return self.seen.hexdigest()


def token_dtype(vocab_size: int) -> np.dtype:
    """uint16 where every id fits, else int32: `DType.optimal_dtype` of Megatron-Core, with its margin below 2^16."""
    return np.dtype(np.uint16 if vocab_size < 65500 else np.int32)


@dataclass
class Index:
    """An .idx file. ``lengths`` [sequences] is mapped from disk, not read."""

    dtype: np.dtype
    lengths: np.ndarray
    offsets: np.ndarray
    documents: np.ndarray

    @property
    def tokens(self) -> int:
        """Tokens of all sequences."""
        return int(self.lengths.sum(dtype=np.int64))


def read_index(path: Path) -> Index:
    """Open an .idx file. Raises UserError where header, dtype or size are not those of an index of text."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEADER.size)
    if len(head) < HEADER.size or not head.startswith(MAGIC):
        raise UserError(
            f"{path} is not an index of Megatron-Core (wrong first bytes); name the prefix of a .bin/.idx pair"
        )
    _, version, code, sequences, boundaries = HEADER.unpack(head)
    if version != 1 or code not in CODES:
        raise UserError(
            f"{path} has version {version} and dtype code {code}; version 1 with integer tokens can be read"
        )
    expected = HEADER.size + 12 * sequences + 8 * boundaries
    if size != expected:
        what = "is of images and text" if size == expected + sequences and sequences else "is damaged"
        raise UserError(f"{path} {what}: {size} bytes where its header promises {expected}; write it again")
    lengths = mapped(path, np.int32, sequences, HEADER.size)
    offsets = mapped(path, np.int64, sequences, HEADER.size + 4 * sequences)
    documents = mapped(path, np.int64, boundaries, HEADER.size + 12 * sequences)
    return Index(np.dtype(CODES[code]), lengths, offsets, documents)


def mapped(path: Path, dtype: type, count: int, offset: int) -> np.ndarray:
    """``count`` numbers of a file from the byte ``offset`` on, mapped."""
    return np.memmap(path, dtype, "r", offset, (count,)) if count else np.zeros(0, dtype)


def write_index(file: Writable, dtype: np.dtype, parts: Callable[[], Iterable[np.ndarray]]) -> None:
    """Write an .idx, one sequence a document. ``parts()`` gives the lengths ``[sequences]`` in order, part by part, and
    is called three times, so that no more than a part is in memory."""
    sequences = sum(len(part) for part in parts())
    code = next(code for code, kind in CODES.items() if np.dtype(kind) == dtype)
    file.write(HEADER.pack(MAGIC, 1, code, sequences, sequences + 1))
    for lengths in _blocks(parts()):
        file.write(lengths.astype(np.int32).tobytes())
    offset = 0
    for lengths in _blocks(parts()):
        ends = offset + np.cumsum(lengths, dtype=np.int64) * dtype.itemsize
        file.write(np.concatenate([[offset], ends[:-1]]).astype(np.int64).tobytes())
        offset = int(ends[-1])
    for first in range(0, sequences + 1, BLOCK):
        file.write(np.arange(first, min(first + BLOCK, sequences + 1), dtype=np.int64).tobytes())


def _blocks(parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for part in parts:
        for first in range(0, len(part), BLOCK):
            yield part[first : first + BLOCK]
