"""Judgements: as BEIR has them (query-id, corpus-id, score), as TREC has them (query, iteration, document, grade), as
records."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.reading.form import LIMIT, Form
from common.reading.formats import COMPRESSIONS
from common.reading.jsonl import records
from common.reading.parquet import rows
from common.reading.readers import opened
from common.reading.reading import BOM
from common.reading.streams import Broken, blocks, lines
from common.retrieval.layout import form_of

_GRADE = re.compile(r"(-?\d{1,18})(?:\.0{0,18})?")
_NUMBER = re.compile(r"[+-]?\d")
_NEEDED = (
    "three columns, query-id, corpus-id and a whole number, with tabs between (or the four of TREC: query, iteration,"
    " document, grade)"
)
_KEYS = {
    "query": ("query-id", "query_id", "qid", "query"),
    "document": ("corpus-id", "corpus_id", "document-id", "doc-id", "doc_id", "docid", "pid", "document"),
    "grade": ("score", "relevance", "grade", "label", "rel"),
}
"""Names of the columns, as published."""


@dataclass
class Judged:
    """Judgements of some queries, as far as the tables have them."""

    grades: dict[str, dict[str, int]] = field(default_factory=dict)
    """By query id and document id; some of the documents may be absent from the corpus."""
    absent: dict[str, None] = field(default_factory=dict)
    """Documents that are judged and not in the corpus, each once."""


def read_qrels(files: Sequence[Path], queries: set[str], documents: set[str]) -> Judged:
    """Judgements of ``queries`` in ``files``. Raises UserError, with file and line, for what is none, for two that
    differ, and for those of other queries."""
    judged, strange = Judged(), []
    for path in files:
        for place, query, document, written in _triples(path):
            grade = _GRADE.fullmatch(written)
            if not grade:
                raise UserError(f"{place} needs {_NEEDED}; it has {written[:40]!r} for the number")
            if query not in queries:
                strange.append((place, query))
                continue
            if document not in documents:
                judged.absent[document] = None
            if judged.grades.setdefault(query, {}).setdefault(document, int(grade[1])) != int(grade[1]):
                raise UserError(
                    f"{place} grades {query} and {document} again, otherwise than before; keep one of the lines"
                )
    if strange:
        (place, query), more = (
            strange[0],
            f" (nor those of {len(strange) - 1:,} more lines)" if len(strange) > 1 else "",
        )
        raise UserError(
            f"{place} names the query {query}, which queries.jsonl does not have{more}; add it or remove the line"
        )
    return judged


def _triples(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Place, query id, document id and grade, as written."""
    form = form_of(path)
    if form in ("jsonl", "parquet"):
        reading = opened(path, Form(section=""))
        unit, numbered = ("line", records(reading)) if form == "jsonl" else ("row", rows(reading))
        for number, record in numbered:
            place = f"{path} {unit} {number}"
            yield place, *(_value(record, name, place) for name in _KEYS)
        return
    order: Sequence[int] = (0, 1, 2)
    for number, line in _lines(path):
        columns = _columns(line)
        if number == 1 and not _NUMBER.match(columns[-1]):
            order = _order(columns)
            continue
        if len(columns) != 3:
            raise UserError(f"{path} line {number} needs {_NEEDED}; mend or remove it")
        yield f"{path} line {number}", *(columns[place] for place in order)


def _value(record: dict[str, Any], name: str, place: str) -> str:
    value = next((record[key] for key in _KEYS[name] if record.get(key) is not None), None)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UserError(
            f'{place} has no "{_KEYS[name][0]}"; judgements need {", ".join(keys[0] for keys in _KEYS.values())}'
        )
    return str(value)


def _order(header: Sequence[str]) -> Sequence[int]:
    """Places of query, document and grade by a header; as they should be where it has other words."""
    names = [name.lower() for name in header]
    columns = [next((names.index(key) for key in keys if key in names), -1) for keys in _KEYS.values()]
    return columns if sorted(columns) == [0, 1, 2] else (0, 1, 2)


def _columns(line: str) -> list[str]:
    """The columns of a line without the iteration of TREC's."""
    columns = line.split("\t") if "\t" in line else line.split()
    columns = [_unquoted(column) for column in columns]
    columns[-1] = columns[-1].strip()
    return columns if len(columns) != 4 else [columns[0], *columns[2:]]


def _unquoted(column: str) -> str:
    quoted = len(column) > 1 and column[0] == column[-1] == '"'
    return column[1:-1].replace('""', '"') if quoted else column


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank."""
    number = 0
    try:
        for number, raw in enumerate(lines(blocks(path, COMPRESSIONS.get(path.suffix.lower(), "")), LIMIT), 1):
            if raw is None:
                raise UserError(f"{path} line {number} has more than {LIMIT} bytes; mend it")
            line = _decoded(raw.removeprefix(BOM) if number == 1 else raw, f"{path} line {number}")
            if line.strip():
                yield number, line.rstrip("\r\n")
    except Broken as error:
        raise UserError(f"{path} (after line {number}) {error}; get the file again") from error


def _decoded(raw: bytes, place: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{place} is not UTF-8 ({error.reason}); convert the file") from error
