"""Documents out of .txt, .md, .jsonl and .parquet files, plain or packed, streaming and in order."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from common.errors import UserError, suggestion
from conf.schema.data import DataConfig
from data_prep.sources.bad import BadDocuments
from data_prep.sources.inputs import kind_of, list_inputs
from data_prep.sources.streams import Broken, blocks, count_newlines, lines

__all__ = ["BadDocuments", "Document", "Span", "list_inputs", "read_documents"]
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Span:
    """A file, or the lines of a plain .jsonl that begin in ``start <= byte < end`` (both at the beginning of a line)."""

    path: Path
    start: int = 0
    end: int | None = None

    @cached_property
    def lines_before(self) -> int:
        """Lines before the span; counted only when somebody asks for a line's number."""
        return count_newlines(self.path, self.start) if self.start else 0

    def place(self, row: int) -> str:
        """Name of the span's ``row``-th line (from 1), for people."""
        return f"{self.path} line {self.lines_before + row}"


@dataclass(slots=True)
class Document:
    """One text with where it came from. ``fields`` are the other keys (columns) of its record."""

    text: str
    span: Span
    row: int
    """Line of a .jsonl or row of a .parquet within the span, from 1; 1 for a text file."""
    fields: dict[str, Any] = field(default_factory=dict)
    id_field: str = "id"

    @property
    def file(self) -> Path:
        """File that holds the document."""
        return self.span.path

    @property
    def line(self) -> int:
        """Line (row) within the file, from 1."""
        return self.span.lines_before + self.row

    @property
    def id(self) -> str:
        """The record's own id, else ``file:line``."""
        own = self.fields.get(self.id_field)
        return f"{self.file}:{self.line}" if own is None else str(own)


def read_documents(
    source: Path | Span,
    data: DataConfig,
    bad: BadDocuments | None = None,
    all_fields: bool = True,
    seen: Callable[[int], Any] | None = None,
) -> Iterator[Document]:
    """Documents of one file or span, in order; a .txt or .md file is one document, blank lines of a .jsonl are none.

    ``bad`` is told of what cannot be read (default: error). ``all_fields=False`` reads text and id alone where that saves work.
    ``seen`` is told the bytes taken from the disk. A UTF-8 byte order mark at the beginning of a file is dropped.
    Raises UserError for an unreadable file, a .parquet without the text column, and as ``bad`` says."""
    span = source if isinstance(source, Span) else Span(source)
    bad = bad or BadDocuments()
    name, compression = kind_of(span.path) or ("text", "")
    stream = blocks(span.path, compression, span.start, span.end, seen)
    if name == "jsonl":
        return _read_jsonl(stream, span, data, bad)
    if name == "text":
        return _read_text(stream, span, data, bad)
    return _read_parquet(stream if compression else None, span, data, bad, all_fields, seen or (lambda _: None))


def _read_text(stream: Iterator[bytes], span: Span, data: DataConfig, bad: BadDocuments) -> Iterator[Document]:
    try:
        raw = b"".join(stream)
        yield Document(raw.removeprefix(BOM).decode("utf-8"), span, 1, {}, data.id_field)
    except Broken as error:
        bad.add("broken_file", str(span.path), str(error))
    except UnicodeDecodeError as error:
        bad.add("not_utf8", span.place(raw.count(b"\n", 0, error.start) + 1), "is not UTF-8")


def _read_jsonl(stream: Iterator[bytes], span: Span, data: DataConfig, bad: BadDocuments) -> Iterator[Document]:
    row = 0
    try:
        for row, line in enumerate(lines(stream), 1):
            if row == 1 and span.start == 0:
                line = line.removeprefix(BOM)
            if not line.strip():
                continue
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                bad.add(*_why_not_json(line, span.place(row), error))
                continue
            text = record.pop(data.text_field, None) if isinstance(record, dict) else None
            if isinstance(text, str):
                yield Document(text, span, row, record, data.id_field)
            elif isinstance(record, dict):
                bad.add("no_text", span.place(row), f"has no string in the field '{data.text_field}' (key data.text_field)")
            else:
                bad.add("invalid_json", span.place(row), "is not a JSON object")
    except Broken as error:
        bad.add("broken_file", f"{span.path} (after line {row})", str(error))


def _why_not_json(line: bytes, place: str, error: ValueError) -> tuple[str, str, str]:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return "not_utf8", place, "is not UTF-8"
    return "invalid_json", place, f"is not valid JSON ({error})"


def _read_parquet(
    stream: Iterator[bytes] | None, span: Span, data: DataConfig, bad: BadDocuments, all_fields: bool, seen: Callable[[int], Any]
) -> Iterator[Document]:
    import pyarrow
    import pyarrow.parquet

    row = 0
    try:
        with pyarrow.parquet.ParquetFile(span.path if stream is None else io.BytesIO(b"".join(stream))) as file:
            names = file.schema_arrow.names
            if data.text_field not in names:
                hint = suggestion(data.text_field, names) or f"; it has: {', '.join(names)}"
                raise UserError(f"{span.path} has no column '{data.text_field}' (key data.text_field){hint}")
            columns = names if all_fields else [name for name in (data.text_field, data.id_field) if name in names]
            share = span.path.stat().st_size / max(file.metadata.num_rows, 1) if stream is None else 0
            for batch in file.iter_batches(batch_size=256, columns=columns):
                for index in range(batch.num_rows):
                    row += 1
                    yield from _parquet_row(batch, index, span, row, data, bad)
                seen(round(share * batch.num_rows))
    except Broken as error:
        bad.add("broken_file", str(span.path), str(error))
    except (pyarrow.ArrowException, OSError) as error:
        bad.add("broken_file", f"{span.path} (after row {row})", f"is not readable as parquet ({str(error).splitlines()[0]})")


def _parquet_row(batch: Any, index: int, span: Span, row: int, data: DataConfig, bad: BadDocuments) -> Iterator[Document]:
    place = f"{span.path} row {row}"
    try:
        record = {name: column[index].as_py() for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    except UnicodeDecodeError:
        bad.add("not_utf8", place, "is not UTF-8")
        return
    text = record.pop(data.text_field)
    if isinstance(text, str):
        yield Document(text, span, row, record, data.id_field)
    else:
        bad.add("no_text", place, f"has no string in the column '{data.text_field}' (key data.text_field)")
