"""Lines into and out of .jsonl.zst files."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import zstandard

from common.errors import UserError
from common.reading.streams import Broken, blocks, lines

PACKED, QUICK = 3, 1
"""Levels of compression: of what is kept, and of what is read once more and done with."""
BLOCK = 1 << 20


class Writer:
    """Writes lines into one zstandard frame with a checksum; equal lines give equal bytes."""

    def __init__(self, path: Path, level: int = PACKED):
        self.file = path.open("wb")
        self.stream = zstandard.ZstdCompressor(level, write_checksum=True).compressobj()
        self.waiting: list[bytes] = []
        self.size = 0

    def write(self, line: bytes) -> None:
        """Write a line with its newline."""
        self.waiting.append(line)
        self.size += len(line)
        if self.size >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        self.file.write(self.stream.compress(b"".join(self.waiting)))
        self.waiting, self.size = [], 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            self.file.write(self.stream.flush())
        self.file.close()


def read(path: Path) -> Iterator[bytes]:
    """Lines of a file that `Writer` wrote. Raises UserError where it is damaged."""
    try:
        yield from lines(blocks(path, "zst"))
    except Broken as error:
        raise UserError(f"{path} {error}; remove it and give the same command again") from error
