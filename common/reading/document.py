"""A document, and the piece of input that it was read from."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from common.reading.formats import kind_of
from common.reading.row_groups import rows_before
from common.reading.streams import count_newlines


@dataclass(frozen=True)
class Span:
    """A file, or what of it begins in ``start <= byte < end``: lines of a plain .jsonl, row groups of a plain
    .parquet."""

    path: Path
    start: int = 0
    end: int | None = None

    @cached_property
    def lines_before(self) -> int:
        """Lines (rows) before the span; counted only when somebody asks for a line's number."""
        if not self.start:
            return 0
        return (
            rows_before(self.path, self.start)
            if kind_of(self.path) == ("parquet", "")
            else count_newlines(self.path, self.start)
        )

    def place(self, row: int, unit: str = "line") -> str:
        """Name of the span's ``row``-th line (from 1), for people."""
        return f"{self.path} {unit} {self.lines_before + row}"


@dataclass(slots=True)
class Document:
    """A text with where it came from. ``fields`` are the other keys (columns) of its record."""

    text: str
    span: Span
    row: int
    """Line of a .jsonl or row of a .parquet within the span, from 1; 1 for a file that is one document."""
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
