"""Corpus and queries of a retrieval set: records with an id, a text and, of documents, a title."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.reading.form import Form
from common.reading.formats import kind_of
from common.reading.jsonl import records
from common.reading.parquet import rows
from common.reading.readers import opened

ID, ID_TOO = "_id", "id"


@dataclass
class Table:
    """Ids and texts in the order of the files, each id once."""

    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    """Ids of the texts without a visible character."""
    repeated: list[str] = field(default_factory=list)
    """Ids of records that stand there again, with the same text."""


def read_table(files: Sequence[Path], max_bytes: int | None, titled: bool = False) -> Table:
    """The records of ``files``; ``titled``: a text begins with its title. Null counts as an empty text.

    Raises UserError, with file and line, for what is no such record, an id with two texts, more than ``max_bytes``, and
    no record."""
    table, seen = Table(), {}
    for place, record in _records(files, max_bytes):
        name, text = _id(record), _text(record, titled)
        if name is None or text is None:
            title = ' ("title" too, where there is one)' if titled else ""
            raise UserError(
                f'{place} needs a JSON object with an "_id" and a "text" of type string{title}; mend or remove it'
            )
        if name in seen:
            if table.texts[seen[name]] != text:
                raise UserError(f"{place} repeats the _id {name} with another text; ids must be unique")
            table.repeated.append(name)
            continue
        seen[name] = len(table.ids)
        table.ids.append(name)
        table.texts.append(text)
        if not text or text.isspace():
            table.empty.append(name)
    if not table.ids:
        raise UserError(f"{files[0]} is empty; give it at least one line")
    return table


def _records(files: Sequence[Path], max_bytes: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    form = Form(max_bytes=max_bytes, section="")
    for path in files:
        parquet = kind_of(path)[0] == "parquet"
        for number, record in (rows if parquet else records)(opened(path, form)):
            yield f"{path} {'row' if parquet else 'line'} {number}", record


def _id(record: dict[str, Any]) -> str | None:
    value = next((record[key] for key in (ID, ID_TOO) if record.get(key) is not None), None)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _text(record: dict[str, Any], titled: bool) -> str | None:
    """Title and text joined by a space; None where one of them is no string."""
    title, text = (record.get("title") or "") if titled else "", record.get("text", 0)
    text = "" if text is None else text
    if not isinstance(title, str) or not isinstance(text, str):
        return None
    return f"{title} {text}".strip() if titled else text
