"""Small files that unpack to gigabytes: each is a counted document, and memory stays by the limit of one."""

import gzip
import io
import subprocess
import sys

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

MB = 1_000_000
PEAK = """
import resource, sys
from pathlib import Path
import pyarrow.parquet
from conf.schema.data import DataConfig
from data_prep.sources.readers import BadDocuments, read_documents
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bad = BadDocuments("skip")
found = sum(1 for _ in read_documents(Path(sys.argv[1]), DataConfig(max_document_bytes=1_000_000), bad))
print(found, dict(bad.counts))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def zst(*parts: bytes, times: int) -> bytes:
    packer = zstandard.ZstdCompressor(1).compressobj()
    return b"".join(
        [*(packer.compress(parts[0]) for _ in range(times)), packer.compress(b"".join(parts[1:])), packer.flush()]
    )


def parquet(texts, **keys) -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), out, compression="zstd", store_schema=False, **keys)
    return out.getvalue()


def repeated(size: int, rows: int) -> pyarrow.Array:
    """One large string in every row, stored once."""
    return pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows, pyarrow.int32()), pyarrow.array(["x" * size]))


def prefixes(size: int, rows: int) -> bytes:
    """A large string, and others that say of themselves no more than how they go on after it."""
    texts = pyarrow.array([f"{'x' * size}{row}" for row in range(rows)])
    return parquet(texts, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"}, write_statistics=False)


def one_line() -> bytes:
    return zst(b"x" * MB, times=600)


BOMBS = {
    "a.txt.zst": (one_line, "0 {'too_long': 1}"),
    "a.md.gz": (lambda: gzip.compress(b"x" * 100 * MB, 1), "0 {'too_long': 1}"),
    "a.html.zst": (one_line, "0 {'too_long': 1}"),
    "a.pages.json.zst": (one_line, "0 {'too_long': 1}"),
    "a.pdf.zst": (one_line, "0 {'too_long': 1}"),
    "a.parquet.zst": (one_line, "0 {'too_long': 1}"),
    "line.jsonl.zst": (lambda: zst(b"x" * MB, b'\n{"text": "kept"}\n', times=600), "1 {'too_long': 1}"),
    "dictionary.parquet": (lambda: parquet(repeated(16 * MB, 40)), "0 {'too_long': 40}"),
    "short.parquet": (lambda: parquet(repeated(MB, 400)), "400 {}"),
    "prefixes.parquet": (lambda: prefixes(16 * MB, 10), "0 {'too_long': 10}"),
    "page.parquet": (lambda: parquet(pyarrow.array(["x" * 150 * MB]), write_statistics=False), "0 {'too_long': 1}"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_counted_in_little_memory(tmp_path, name):
    make, told = BOMBS[name]
    (tmp_path / name).write_bytes(make())
    assert (tmp_path / name).stat().st_size < MB
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / name)], capture_output=True, text=True, check=True
    )
    first, peak = done.stdout.splitlines()
    assert first == told
    assert int(peak) < 120, "MB: for a limit of 1, twenty times that unpacked whole, and what a slice unpacks to"
