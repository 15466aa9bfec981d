"""What became of a document in a corpus of `jobs.corpus`: kept, and where; or dropped, in which stage, for which
reason, for whose sake."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from common import manifest as manifests
from common.errors import UserError
from common.files import read_json
from data_prep.corpus.funnel import JSON
from data_prep.corpus.stages.curate import DROPPED, KEPT
from data_prep.corpus.stages.write import DOCUMENTS
from data_prep.records.record import Record, from_line
from data_prep.records.zst import read

Rows = list[tuple[str, str]]


def corpora_of(paths: Iterable[str | Path]) -> list[Path]:
    """The corpora that ``paths`` are in, each once."""
    folders = dict.fromkeys(folder for path in paths for folder in (Path(path), *Path(path).parents[:3]))
    there = [folder for folder in folders if (folder / manifests.NAME).is_file()]
    return [folder for folder in there if manifests.read(folder).get("kind") == "corpus"]


def is_wanted(fields: dict[str, Any], wanted: str) -> bool:
    """Whether a record, or a note on a dropped one, has the id ``wanted``, or came from that `file:line`."""
    return str(fields.get("id")) == wanted or f"{fields.get('file')}:{fields.get('line')}" == wanted


def fate(corpus: Path, wanted: str) -> Rows | None:
    """What became of the document with the id or at the `file:line` ``wanted``; None where the corpus never met it."""
    for stage, unit, note in _dropped(corpus):
        if is_wanted(note, wanted):
            return _dropped_rows(corpus, stage, unit, note)
    kept = next(_kept(corpus, wanted), None)
    return (
        None
        if kept is None
        else [("kept", f"{kept[0]} line {kept[1]:,}"), *source_rows(kept[2].file, kept[2].line, kept[2].id)]
    )


def source_rows(file: str, line: int, id_: str) -> Rows:
    """Where a document of a corpus came from."""
    return [("from", f"{file} line {line:,}"), ("id", id_)]


def _dropped(corpus: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Stage, unit and note of every dropped document."""
    for unit in _units(corpus):
        for stage in ("curate", "write"):
            for line in read(corpus / "stages" / stage / unit / DROPPED):
                yield stage, unit, orjson.loads(line)


def _dropped_rows(corpus: Path, stage: str, unit: str, note: dict[str, Any]) -> Rows:
    value = "" if note.get("value") is None else f" (value {note['value']:g})"
    rows = [
        ("dropped", f"by {note['reason']}{value}, stage {stage}, unit {unit}"),
        *source_rows(note["file"], note["line"], note["id"]),
    ]
    if "repeats" in note:
        other = by_number(corpus, note["repeats"])
        rows.append(("repeats", f"{other.file} line {other.line:,}, id {other.id}"))
    return rows


def _kept(corpus: Path, wanted: str) -> Iterator[tuple[Path, int, Record]]:
    """File, line and record of kept documents that are wanted."""
    mark = orjson.dumps(wanted)[1:-1] if ":" not in wanted else b""
    for path in sorted((corpus / DOCUMENTS).glob("*/*.jsonl.zst")):
        for number, line in enumerate(read(path), 1):
            if mark in line and is_wanted(vars_of(record := from_line(line)), wanted):
                yield path, number, record


def vars_of(record: Record) -> dict[str, Any]:
    """Id, file and line of a record."""
    return {"id": record.id, "file": record.file, "line": record.line}


def by_number(corpus: Path, number: int) -> Record:
    """The document with a number of the comparing stages, among those that passed the rules. Raises UserError for
    none."""
    units = _units(corpus)
    firsts = [0, *itertools.accumulate(units.values())]
    for (unit, kept), first in zip(units.items(), firsts, strict=False):
        if first <= number < first + kept:
            lines = read(corpus / "stages" / "curate" / unit / KEPT)
            return from_line(next(itertools.islice(lines, number - first, None)))
    raise UserError(f"{corpus} has no document {number}; it has {firsts[-1]}")


def _units(corpus: Path) -> dict[str, int]:
    """Units of the corpus in their order, with the documents that passed the rules."""
    return read_json(corpus / JSON)["units"]
