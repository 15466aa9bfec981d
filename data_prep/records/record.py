"""A document on its way from a source to the corpus."""

from dataclasses import dataclass, field
from typing import Any

from common.reading.exact import dumps_line, loads


@dataclass(slots=True)
class Record:
    """A document with where it came from; one line of the corpus files."""

    id: str
    """Its own id at the source, else ``file:line``."""
    text: str
    source: str
    licence: str
    url: str
    language: str
    file: str
    """File it was read from."""
    line: int
    """Line (row, page) there, from 1."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Fields that it carries along, and what rules found out about it, such as the quality and its probability."""


def to_line(record: Record) -> bytes:
    """A record as a line of JSON, newline included. Lone surrogates, which UTF-8 has not, become ?."""
    fields = record.notes | {name: getattr(record, name) for name in Record.__slots__ if name != "notes"}
    try:
        return dumps_line(fields)
    except ValueError:
        fields = {
            name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
            for name, value in fields.items()
        }
        return dumps_line(fields)


def from_line(line: bytes) -> Record:
    """The record of a line that `to_line` wrote."""
    fields = loads(line)
    own_fields = {name: fields.pop(name) for name in Record.__slots__ if name != "notes"}
    return Record(**own_fields, notes=fields)
