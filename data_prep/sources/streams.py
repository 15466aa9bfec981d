"""Bytes out of plain, gzip and zstandard files, in blocks and in lines."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import zstandard

from common.errors import UserError

BLOCK = 1 << 18
LARGEST_WINDOW = 1 << 31  # what `zstd --long=31` writes


class Broken(Exception):
    """A stream that ends too early or does not unpack; the message goes on after the file's name."""


def blocks(
    path: Path, compression: str = "", start: int = 0, end: int | None = None, seen: Callable[[int], Any] | None = None
) -> Iterator[bytes]:
    """Unpacked blocks of a file; ``start`` and ``end`` cut a plain one. ``seen`` is told how many bytes came from the disk.

    Raises Broken where a compressed stream is truncated or damaged: zstandard's own reader takes the former for the end."""
    raw = _raw(path, start, end, seen or (lambda _: None))
    if not compression:
        return raw
    if compression == "gz":
        return _unpack(raw, lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16))
    return _unpack(raw, lambda: zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).decompressobj())


def _raw(path: Path, start: int, end: int | None, seen: Callable[[int], Any]) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(start)
            left = float("inf") if end is None else end - start
            while left > 0 and (block := file.read(int(min(BLOCK, left)))):
                left -= len(block)
                yield block
                seen(len(block))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); mend it or take it out of data.inputs") from error


def _unpack(raw: Iterable[bytes], new: Callable[[], Any]) -> Iterator[bytes]:
    """Unpack one frame (member) after another; zero bytes between them are padding."""
    stream = None
    for block in raw:
        while block := block if stream else block.lstrip(b"\0"):
            stream = stream or new()
            try:
                yield stream.decompress(block)
            except (zlib.error, zstandard.ZstdError) as error:
                raise Broken(f"does not unpack ({error})") from error
            if stream.eof:
                block, stream = stream.unused_data, None
            else:
                block = b""
    if stream:
        raise Broken("is truncated: it ends inside a compressed frame")


def lines(source: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their newline; only ``\\n`` ends one, so that a separator inside a JSON string does not."""
    rest: list[bytes] = []
    for block in source:
        first, newline, more = block.partition(b"\n")
        rest.append(first)
        if newline:
            yield b"".join(rest)
            *whole, last = more.split(b"\n")
            yield from whole
            rest = [last]
    if any(rest):
        yield b"".join(rest)


def count_newlines(path: Path, end: int) -> int:
    """Newlines among the first ``end`` bytes of a plain file."""
    return sum(block.count(b"\n") for block in blocks(path, end=end))
