"""Raw text to measure perplexity on: .txt (a document a file), .jsonl and .parquet (key `text`); plain, .gz or .zst."""

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from common.errors import UserError
from common.files import digest, digest_of

KEY = "text"
ENDINGS = (".txt", ".jsonl", ".parquet", ".txt.gz", ".jsonl.gz", ".txt.zst", ".jsonl.zst")


def text_files(path: str | Path, key: str) -> list[Path]:
    """The file ``path``, or the files of text in and below the folder, sorted. Raises UserError, naming ``key`` of the configuration, where
    there are none."""
    path = Path(path)
    if path.is_file():
        found = [path]
    elif path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith(ENDINGS) and file.name[0] != ".")
    else:
        raise UserError(f"{key}: {path} does not exist; name a file or folder of text ({', '.join(ENDINGS[:3])}, also .gz or .zst)")
    if not found or not found[0].name.endswith(ENDINGS):
        raise UserError(f"{key}: {path} is no text that can be read here; give {', '.join(ENDINGS[:3])} (also .gz or .zst)")
    return found


def digest_texts(path: str | Path, key: str) -> str:
    """Hex digest of the bytes of every file that `read_texts` reads."""
    return digest_of([digest(file) for file in text_files(path, key)])


def read_texts(path: str | Path, key: str) -> list[str]:
    """Documents in the order of `text_files`; those without a visible character are left out, as `jobs.prepare` does.

    Raises UserError, with the line, for what is no UTF-8, no JSON or has no text, and where no document is left.
    """
    found = [text for file in text_files(path, key) for text in _documents(file) if text and not text.isspace()]
    if not found:
        raise UserError(f"{key}: {path} holds no document with a visible character; name other text")
    return found


def _documents(file: Path) -> Iterator[str]:
    if file.name.endswith(".parquet"):
        yield from _column(file)
        return
    with _opened(file) as raw:
        if ".jsonl" not in file.suffixes:
            yield _decoded(raw.read(), str(file)).removeprefix("\ufeff")
            return
        for number, line in enumerate(raw, 1):
            if text := _decoded(line, f"{file} line {number}").strip().removeprefix("\ufeff"):
                yield _field(text, f"{file} line {number}")


def _opened(file: Path) -> BinaryIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rb")
    if file.suffix == ".zst":
        import zstandard

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file.open("rb"), read_across_frames=True, closefd=True))
    return file.open("rb")


def _decoded(raw: bytes, place: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{place} is not UTF-8 ({error.reason}); convert the file") from error


def _field(line: str, place: str) -> str:
    try:
        record: Any = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place} is not valid JSON ({error}); mend or remove it") from error
    if not isinstance(record, dict) or not isinstance(record.get(KEY), str):
        raise UserError(f'{place} needs a JSON object with a "{KEY}" of type string; mend or remove it')
    return record[KEY]


def _column(file: Path) -> Iterator[str]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file) as table:
        if KEY not in table.schema_arrow.names:
            raise UserError(f"{file} has no column {KEY}; it has {', '.join(table.schema_arrow.names)}")
        for rows in table.iter_batches(columns=[KEY]):
            yield from (text or "" for text in rows.column(0).to_pylist())
