"""Input as it is not meant to be: each document is counted once, and nothing large is ever held."""

import gzip
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from common.errors import UserError
from common.reading.bad import BadDocuments
from conf.schema.corpus import CorpusConfig, SourceConfig
from data_prep.sources.inputs import list_inputs
from data_prep.sources.readers import Form, Span, read_documents
from data_prep.sources.shards import plan_shards

TURKISH = "İğdır'ın ıssız köşesi"
PEAK = """
import resource, sys
from pathlib import Path
from conf.schema.corpus import CorpusConfig, SourceConfig
from data_prep.sources.readers import BadDocuments, Form, read_documents
form = Form.of_source("s", SourceConfig(), CorpusConfig(max_document_bytes=1_000_000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bad = BadDocuments("skip")
print(*[d.text for d in read_documents(Path(sys.argv[1]), form, bad)], dict(bad.counts))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def form(**keys):
    """Form of a source, as the corpus factory takes it."""
    corpus = CorpusConfig(max_document_bytes=keys.pop("limit", 1000))
    return Form.of_source("legal", SourceConfig(**keys), corpus)


def read(path, reading):
    bad = BadDocuments("skip", section="corpus")
    return [d.text for d in read_documents(path, reading, bad)], dict(bad.counts)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("fill", ["x", "random"])
def test_a_line_of_200_mb_is_counted_in_little_memory(tmp_path, suffix, fill):
    path = tmp_path / f"a.jsonl{suffix}"
    piece = (
        b"x" * 1_000_000
        if fill == "x"
        else np.random.default_rng(0).choice(np.frombuffer(b"abcdefgh", np.uint8), 1_000_000).tobytes()
    )
    opened = {"": Path.open, ".gz": partial(gzip.open, compresslevel=1), ".zst": zstandard.open}[suffix]
    with opened(path, mode="wb") as file:
        file.write(b'{"text": "bir"}\n{"text": "')
        for _ in range(200 if fill == "x" and suffix != ".gz" else 30):
            file.write(piece)
        file.write(b'"}\n{"text": "iki"}\n')
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    first, peak = done.stdout.splitlines()
    assert first == "bir iki {'too_long': 1}"
    assert int(peak) < 60, "MB: the limit of 1, and what a slice unpacks to"


def test_limits_hold_for_every_format(tmp_path):
    long = "ü" * 600  # 600 characters, 1200 bytes
    (tmp_path / "a.txt").write_text(long)
    (tmp_path / "a.html").write_text(f"<p>{long}")
    (tmp_path / "a.pages.json").write_text(json.dumps({"pages": [long]}, ensure_ascii=False))
    pyarrow.parquet.write_table(pyarrow.table({"text": [long, "kısa"]}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": long}, ensure_ascii=False) + '\n{"text": "kısa"}')
    for name, kept in (("txt", []), ("html", []), ("pages.json", []), ("parquet", ["kısa"]), ("jsonl", ["kısa"])):
        assert read(tmp_path / f"a.{name}", form()) == (kept, {"too_long": 1}), name
        assert len(read(tmp_path / f"a.{name}", form(limit=5000))[0]) == len(kept) + 1
    with pytest.raises(UserError, match=r"a.jsonl line 1 has more than corpus.max_document_bytes=1000 bytes"):
        list(read_documents(tmp_path / "a.jsonl", form(), BadDocuments(section="corpus")))


def test_nul_bytes_are_bad_or_removed_or_kept(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(
        b'{"text": "a\\u0000b"}\n{"text": "c\0d"}\n' + b"\0" * 500 + b'\n{"text": "e"}\n'
    )
    (tmp_path / "a.txt").write_bytes(b"a\0b")
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a\0b", "e"]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.jsonl", form()) == (["e"], {"nul_bytes": 3})
    assert read(tmp_path / "a.jsonl", form(nul_bytes="remove")) == (["ab", "cd", "e"], {})
    assert read(tmp_path / "a.jsonl", form(nul_bytes="keep")) == (["a\0b", "e"], {"nul_bytes": 2}), (
        "raw ones are no JSON"
    )
    assert read(tmp_path / "a.txt", form()) == ([], {"nul_bytes": 1})
    assert read(tmp_path / "a.txt", form(nul_bytes="remove")) == (["ab"], {})
    assert read(tmp_path / "a.parquet", form()) == (["e"], {"nul_bytes": 1})


@pytest.mark.parametrize("encoding", ["cp1254", "iso-8859-9", "utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_declared_encodings(tmp_path, encoding):
    rows = [{"text": f"{TURKISH} {number}"} for number in range(3)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "a.jsonl").write_bytes(lines.encode(encoding))
    (tmp_path / "a.txt").write_bytes(TURKISH.encode(encoding))
    assert read(tmp_path / "a.jsonl", form(encoding=encoding)) == ([row["text"] for row in rows], {})
    assert read(tmp_path / "a.txt", form(encoding=encoding)) == ([TURKISH], {})


def test_a_wrong_encoding_is_counted_line_by_line(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "plain"}\n' + f'{{"text": "{TURKISH}"}}\n'.encode("cp1254"))
    (tmp_path / "b.jsonl").write_bytes(
        b'{"text": "plain"}\n' + f'{{"text": "{TURKISH}"}}\n'.encode() + b'{"text": "\x81"}\n'
    )
    (tmp_path / "c.txt").write_bytes(TURKISH.encode())
    (tmp_path / "d.txt").write_bytes(b"abc")
    assert read(tmp_path / "a.jsonl", form()) == (["plain"], {"not_utf8": 1})
    assert read(tmp_path / "b.jsonl", form(encoding="cp1254")) == (["plain"], {"wrong_encoding": 2}), (
        "UTF-8, and a byte that it has not"
    )
    assert read(tmp_path / "c.txt", form(encoding="iso-8859-9")) == ([], {"wrong_encoding": 1})
    assert read(tmp_path / "d.txt", form(encoding="utf-16")) == ([], {"wrong_encoding": 1})
    assert read(tmp_path / "a.jsonl", form(encoding="utf-32")) == ([], {"wrong_encoding": 1})


def test_an_unknown_encoding_is_named():
    with pytest.raises(UserError, match=r"corpus.sources.legal.encoding=cp9999 is no encoding"):
        form(encoding="cp9999")
    with pytest.raises(UserError, match="base64 is no encoding"):
        form(encoding="base64")


def test_utf16_is_never_cut_at_a_byte_that_looks_like_a_newline(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [f"ĊĊਊ {number}" for number in range(200)]  # their bytes hold 10
    path.write_bytes("\n".join(json.dumps({"text": row}, ensure_ascii=False) for row in rows).encode("utf-16"))
    reading = form(encoding="utf-16", limit=50_000)
    shards = plan_shards([path], 1000, reading.keeps_newlines)
    assert len(shards) == 1 and read(shards[0].spans[0], reading) == (rows, {})
    assert len(plan_shards([path], 1000)) > 1


def test_parquet_that_breaks_in_the_middle(tmp_path):
    path = tmp_path / "a.parquet"
    rows = [f"{number} {TURKISH}" * 20 for number in range(40)]
    pyarrow.parquet.write_table(pyarrow.table({"text": rows}), path, row_group_size=10, compression="zstd")
    raw = bytearray(path.read_bytes())
    third = pyarrow.parquet.read_metadata(path).row_group(2).column(0)
    raw[third.data_page_offset : third.data_page_offset + 60] = b"\xff" * 60
    path.write_bytes(raw)
    documents, bad = read(path, form(limit=5000))
    assert documents == rows[: len(documents)] and len(documents) <= 20 and bad == {"broken_file": 1}
    with pytest.raises(UserError, match=r"a.parquet \(after row \d+\) is not readable as parquet"):
        list(read_documents(path, form(), BadDocuments()))


def test_empty_sources_are_named(tmp_path):
    (tmp_path / "a.jsonl").touch()
    with pytest.raises(UserError, match=r"corpus.sources.legal.inputs: .* holds empty files alone"):
        list_inputs([str(tmp_path)], "corpus.sources.legal.inputs")
    (tmp_path / "b.csv").write_text("x")
    with pytest.raises(UserError, match=r"k: .*b.csv has an unknown suffix"):
        list_inputs([str(tmp_path / "b.csv")], "k")


def test_read_is_documents_and_bad(tmp_path):
    """Every line that is not blank is a document or bad, once."""
    lines = [
        b'{"text": "iyi"}',
        b"",
        b"{",
        b'{"text": 5}',
        b'{"text": "\xff"}',
        b"[1]",
        b'{"text": "a\\u0000"}',
        b'{"text": "%s"}' % (b"x" * 2000),
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines * 30))
    shards = plan_shards([path], 5000)
    bad = BadDocuments("skip")
    documents = [d for shard in shards for span in shard.spans for d in read_documents(span, form(), bad)]
    assert len(shards) > 1 and len(documents) == 30 and bad.counts.total() == 30 * 6
    assert bad.counts == {"invalid_json": 60, "no_text": 30, "not_utf8": 30, "nul_bytes": 30, "too_long": 30}


def test_spans_of_parquet_hold_every_row_once(tmp_path):
    path = tmp_path / "a.parquet"
    rows = [f"{number} " + str(hash((number, 7))) * 3 for number in range(500)]
    pyarrow.parquet.write_table(
        pyarrow.table({"text": rows, "id": range(500)}), path, row_group_size=30, compression="none"
    )
    shards = plan_shards([path], 4000)
    documents = [d for shard in shards for span in shard.spans for d in read_documents(span, form())]
    assert (
        [d.text for d in documents] == rows and [d.line for d in documents] == list(range(1, 501)) and len(shards) > 4
    )
    assert sum(shard.bytes for shard in shards) == path.stat().st_size
    assert [(s.start, s.end) for shard in shards for s in shard.spans][0][0] == 0
    assert len(plan_shards([path], 10_000_000)) == 1 and plan_shards([path], 10_000_000)[0].spans == (Span(path),)
    seen = []
    list(read_documents(shards[2].spans[0], form(), seen=seen.append))
    assert abs(sum(seen) - shards[2].bytes) < 10
