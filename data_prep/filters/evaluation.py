"""Texts of evaluation sets, to be kept out of training data."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from conf.schema.duplicates import ContaminationConfig
from data_prep.sources.bad import BadDocuments
from data_prep.sources.document import Span
from data_prep.sources.form import Form
from data_prep.sources.inputs import kind_of, list_inputs
from data_prep.sources.jsonl import records
from data_prep.sources.readers import read_documents
from data_prep.sources.reading import Reading

SECTION = "corpus.contamination"
FORM = Form(section=SECTION)


def read_texts(config: ContaminationConfig) -> Iterator[tuple[str, str]]:
    """Each text in `fields` of each record of `inputs`, with its place (file, line or row, field), in order.

    A file that is one document is one text. Raises UserError for what cannot be read, and for a file without any of the fields."""
    for path in list_inputs(config.inputs, f"{SECTION}.inputs"):
        name, compression = kind_of(path)
        bad = BadDocuments(section=SECTION)
        if name == "jsonl":
            yield from _fields(path, records(Reading(Span(path), FORM, bad, compression, True, lambda _: None)), config.fields)
        elif name == "parquet" and not compression:
            yield from _fields(path, _rows(path), config.fields)
        else:
            yield from ((document.id, document.text) for document in read_documents(path, FORM, bad))


def _fields(path: Path, found: Iterator[tuple[int, dict[str, Any]]], fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen = False
    for row, record in found:
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
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a .parquet, whatever its columns."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from enumerate((record for batch in file.iter_batches() for record in batch.to_pylist()), 1)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} is not readable as parquet ({str(error).splitlines()[0]}); mend it") from error
