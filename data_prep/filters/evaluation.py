"""Texts of evaluation sets, to be kept out of training data."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from common.errors import UserError
from conf.schema.duplicates import ContaminationConfig
from data_prep.sources.inputs import kind_of, list_inputs
from data_prep.sources.streams import Broken, blocks, lines


def read_texts(config: ContaminationConfig) -> Iterator[tuple[str, str]]:
    """Each text in `fields` of each record of `inputs`, with its place (file, line or row, field), in order.

    A text file is one text. Raises UserError for a file that cannot be read, a line that is no JSON object, and a file without any of the
    fields."""
    for path in list_inputs(config.inputs):
        name, compression = kind_of(path)
        try:
            if name == "text":
                yield str(path), b"".join(blocks(path, compression)).decode("utf-8")
            else:
                yield from _fields(path, _jsonl(path, compression) if name == "jsonl" else _parquet(path, compression), config.fields)
        except Broken as error:
            raise UserError(f"{path} {error}; mend it or take it out of corpus.contamination.inputs") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not UTF-8; mend it or take it out of corpus.contamination.inputs") from error


def _fields(path: Path, records: Iterator[dict[str, Any]], fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen = False
    for row, record in enumerate(records, 1):
        for field in fields:
            for text in _strings(record.get(field)):
                seen = True
                yield f"{path}:{row} {field}", text
    if not seen:
        raise UserError(f"{path} has no text in any of corpus.contamination.fields ({', '.join(fields)}); name its fields there")


def _strings(value: Any) -> Iterator[str]:
    """The strings in a value: itself, or those in its lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)


def _jsonl(path: Path, compression: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines(blocks(path, compression)), 1):
        try:
            record = orjson.loads(line) if line.strip() else {}
        except orjson.JSONDecodeError as error:
            raise UserError(f"{path} line {number} is not valid JSON ({error}); mend it") from error
        if not isinstance(record, dict):
            raise UserError(f"{path} line {number} is not a JSON object; mend it")
        yield record


def _parquet(path: Path, compression: str) -> Iterator[dict[str, Any]]:
    import io

    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(io.BytesIO(b"".join(blocks(path, compression))) if compression else path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise Broken(f"is not readable as parquet ({str(error).splitlines()[0]})") from error
