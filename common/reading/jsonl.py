"""Documents out of JSON lines."""

from collections.abc import Iterator
from typing import Any

from common.reading.document import Document
from common.reading.exact import loads
from common.reading.form import WrongEncoding
from common.reading.reading import BOM, Reading
from common.reading.streams import Broken, lines, transcode


def read_jsonl(reading: Reading) -> Iterator[Document]:
    """A document a line that is not blank."""
    for row, record in records(reading):
        yield from reading.record(record, row, "line")


def records(reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    """The line's number within the span, and its JSON object; what is none, is counted."""
    row, removes_nul = 0, reading.form.nul_bytes == "remove"
    try:
        for row, line in enumerate(_lines(reading), 1):
            if removes_nul and line and b"\0" in line:
                line = line.replace(b"\0", b"")
            if line is None:
                reading.add_too_long(row, "line")
            elif line and not line.isspace():
                record = _parse(line, row, reading)
                if record is not None:
                    yield row, record
    except Broken as error:
        reading.bad.add(error.kind, f"{reading.span.path} (after line {row})", str(error))


def _lines(reading: Reading) -> Iterator[bytes | None]:
    """Lines; in UTF-8 where the encoding does not allow to decode line by line."""
    form = reading.form
    source = reading.blocks() if form.keeps_newlines else transcode(reading.blocks(), form.encoding)
    numbered = lines(source, form.max_bytes)
    if reading.span.start == 0:
        first = next(numbered, b"")
        yield first and first.removeprefix(BOM)
    yield from numbered


def _parse(line: bytes, row: int, reading: Reading) -> dict[str, Any] | None:
    form = reading.form
    try:
        record = loads(line if form.is_utf8 or not form.keeps_newlines else form.decode(line))
    except WrongEncoding as error:
        reading.bad.add(error.kind, reading.place(row, "line"), str(error))
        return None
    except ValueError as error:
        reading.bad.add(*_why_not_json(line, reading.place(row, "line"), error))
        return None
    if not isinstance(record, dict):
        reading.bad.add("invalid_json", reading.place(row, "line"), "is not a JSON object")
        return None
    return record


def _why_not_json(line: bytes, place: str, error: ValueError) -> tuple[str, str, str]:
    if b"\0" in line:
        return (
            "nul_bytes",
            place,
            "holds NUL bytes, so it was written by a process that was cut off, or is no text at all",
        )
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return "not_utf8", place, "is not UTF-8"
    return "invalid_json", place, f"is not valid JSON ({error})"
