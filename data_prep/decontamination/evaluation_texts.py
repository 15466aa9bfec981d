"""Texts of evaluation sets, to be kept out of training data."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.reading.form import LIMIT, Form
from common.reading.jsonl import records
from common.reading.parquet import rows
from common.reading.readers import opened
from common.retrieval.layout import is_judgements
from conf.schema.duplicates import ContaminationConfig
from data_prep.sources.inputs import kind_of, list_inputs
from data_prep.sources.readers import read_documents

SECTION = "corpus.contamination"


def read_texts(config: ContaminationConfig, max_bytes: int | None = LIMIT) -> Iterator[tuple[str, str]]:
    """Each text in `fields` of each record of `inputs`, with its place (file, line or row, field), in order.

    A file that is one document is one text; the judgements of a retrieval set are none. Raises UserError for what
    cannot be read or has more than ``max_bytes``, and for a file without any of the fields."""
    form = Form(max_bytes=max_bytes, section="", limit_key="corpus.max_document_bytes")
    for path in list_inputs(config.inputs, f"{SECTION}.inputs"):
        name, _ = kind_of(path)
        if is_judgements(path):
            continue
        if name == "jsonl":
            yield from _fields(path, records(opened(path, form)), config.fields)
        elif name == "parquet":
            yield from _fields(path, rows(opened(path, form, fields=config.fields)), config.fields)
        else:
            yield from ((document.id, document.text) for document in read_documents(path, form))


def _fields(
    path: Path, numbered_records: Iterator[tuple[int, dict[str, Any]]], fields: Sequence[str]
) -> Iterator[tuple[str, str]]:
    seen = False
    for row, record in numbered_records:
        for field in fields:
            for text in _strings(record.get(field)):
                seen = True
                yield f"{path}:{row} {field}", text
    if not seen:
        raise UserError(f"{path} has no text in any of {SECTION}.fields ({', '.join(fields)}); name its fields there")


def _strings(value: Any) -> Iterator[str]:
    """The strings in a value: itself, or those in its lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
