"""Bytes out of plain, gzip and zstandard files, in blocks and in lines, never more of them at a time than asked for."""

import codecs
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import zstandard

from common.errors import UserError

BLOCK = 1 << 18
SLICE = 1 << 10
"""Packed bytes that are unpacked at once: zstandard makes at most 256 blocks of 128 KiB of them, gzip 1 MB (as fast as
larger slices)."""
LARGEST_OUT = 1 << 20
"""Bytes of an unpacked block: cut into lines, a block of nothing but newlines takes eight times as many."""
LARGEST_WINDOW = 1 << 31  # what `zstd --long=31` writes


class Broken(Exception):
    """A stream that ends too early or does not unpack; the message goes on after the file's name."""

    kind = "broken_file"


class Undecodable(Broken):
    """A stream that is not in the encoding it was said to have."""

    kind = "wrong_encoding"


class TooLong(Exception):
    """A stream with more bytes than a document may have."""


def blocks(
    path: Path, compression: str = "", start: int = 0, end: int | None = None, seen: Callable[[int], Any] | None = None
) -> Iterator[bytes]:
    """Unpacked blocks of a file; ``start`` and ``end`` cut a plain one. ``seen`` is told how many bytes came from the
    disk.

    Raises Broken where a compressed stream is truncated or damaged: zstandard's own reader takes the former for the
    end."""
    raw = _raw(path, start, end, seen or (lambda _: None))
    if not compression:
        return raw
    slices = (block[at : at + SLICE] for block in raw for at in range(0, len(block), SLICE))
    if compression == "gz":
        return _unpack(slices, lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16))
    return _unpack(slices, lambda: zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).decompressobj())


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
        raise UserError(f"{path} cannot be read ({error.strerror}); mend it or take it out of the inputs") from error


def _unpack(raw: Iterable[bytes], new: Callable[[], Any]) -> Iterator[bytes]:
    """Unpack one frame (member) after another; zero bytes between them are padding."""
    stream, begun = None, False
    for block in raw:
        while block := block if stream else block.lstrip(b"\0"):
            stream, begun = stream or new(), True
            try:
                out = stream.decompress(block)
            except (zlib.error, zstandard.ZstdError) as error:
                raise Broken(f"does not unpack ({error})") from error
            for at in range(0, len(out), LARGEST_OUT):
                yield out[at : at + LARGEST_OUT]
            if stream.eof:
                block, stream = stream.unused_data, None
            else:
                block = b""
    if stream or not begun:
        raise Broken(
            "is truncated: it"
            f" {'ends inside a compressed frame' if begun else 'is empty, and not even a compressed frame'}"
        )


def whole(source: Iterable[bytes], limit: int | None = None) -> bytes:
    """All bytes of a stream. Raises TooLong as soon as there are more than ``limit``."""
    data = bytearray()
    for block in source:
        if limit and len(data) + len(block) > limit:
            raise TooLong
        data += block
    return bytes(data)


def lines(source: Iterable[bytes], limit: int | None = None) -> Iterator[bytes | None]:
    """Lines without their newline; only ``\\n`` ends one, so that a separator inside a JSON string does not.

    A line of more than ``limit`` bytes comes as None, and no more of it than that and a block is ever held."""
    most = limit or float("inf")
    rest: list[bytes] = []
    size = 0
    for block in source:
        first, newline, more = block.partition(b"\n")
        size += len(first)
        if size <= most:
            rest.append(first)
        else:
            rest = []
        if newline:
            yield b"".join(rest) if size <= most else None
            *complete, last = more.split(b"\n")
            if len(block) > most:
                complete = [line if len(line) <= most else None for line in complete]
            yield from complete
            rest, size = [last], len(last)
    if size:
        yield b"".join(rest) if size <= most else None


def transcode(source: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """A stream of ``encoding`` as one of UTF-8. Raises Undecodable where it is none."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in source:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise Undecodable(f"is not {encoding}") from error


def count_newlines(path: Path, end: int) -> int:
    """Newlines among the first ``end`` bytes of a plain file."""
    return sum(block.count(b"\n") for block in blocks(path, end=end))
