import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.reading.bad import BadDocuments
from conf.schema.data import DataConfig
from data_prep.sources.readers import Span, read_documents

DATA = DataConfig()


def write(path, rows, pack=lambda data: data):
    path.write_bytes(pack("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()))
    return path


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_the_same_documents_from_every_format(tmp_path, suffix):
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[suffix]
    rows = [{"text": "bir\u2028iki", "id": "x1", "n": 3}, {"text": "", "id": 7}, {"text": "üç\r\n", "id": None}]
    jsonl = list(read_documents(write(tmp_path / f"a.jsonl{suffix}", rows, pack), DATA))
    assert [d.text for d in jsonl] == ["bir\u2028iki", "", "üç\r\n"]
    assert [d.id for d in jsonl] == ["x1", "7", f"{tmp_path / 'a.jsonl'}{suffix}:3"]
    assert jsonl[0].fields == {"id": "x1", "n": 3} and [d.line for d in jsonl] == [1, 2, 3]
    table = pyarrow.table({"text": [r["text"] for r in rows], "id": ["x1", "7", None], "n": [3, None, None]})
    pyarrow.parquet.write_table(table, tmp_path / "plain.parquet", row_group_size=2)
    (tmp_path / f"a.parquet{suffix}").write_bytes(pack((tmp_path / "plain.parquet").read_bytes()))
    parquet = list(read_documents(tmp_path / f"a.parquet{suffix}", DATA))
    assert [(d.text, d.line) for d in parquet] == [(d.text, d.line) for d in jsonl] and parquet[0].fields["n"] == 3
    assert "n" not in next(read_documents(tmp_path / f"a.parquet{suffix}", DATA, fields=())).fields
    (tmp_path / f"a.md{suffix}").write_bytes(pack("# Başlık\n\nmetin\n".encode()))
    (text,) = read_documents(tmp_path / f"a.md{suffix}", DATA)
    assert (
        text.text == "# Başlık\n\nmetin\n"
        and text.id == f"{tmp_path / 'a.md'}{suffix}:1"
        and text.file.name == f"a.md{suffix}"
    )


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=8), st.booleans())
def test_any_text_comes_back_as_it_was(tmp_path_factory, texts, escaped):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_text(
        "".join(json.dumps({"text": text}, ensure_ascii=escaped) + "\n" for text in texts), "utf-8", newline="\n"
    )
    assert [d.text for d in read_documents(path, DATA)] == texts


BAD = [
    (b'{"text": "broken', "invalid_json", "line 3 is not valid JSON"),
    (b'["text"]', "invalid_json", "line 3 is not a JSON object"),
    (b'{"body": "x"}', "no_text", "line 3 has no string in the field 'text'"),
    (b'{"text": 5}', "no_text", "line 3 has no string"),
    (b'{"text": "\xff"}', "not_utf8", "line 3 is not UTF-8"),
    (b'{"text": "\\ud800"}', "invalid_json", "line 3 is not valid JSON"),
    (b'{"text": NaN}', "invalid_json", "line 3 is not valid JSON"),
]


@pytest.mark.parametrize(("line", "kind", "message"), BAD)
def test_a_bad_line_names_file_and_line_or_is_counted(tmp_path, line, kind, message):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "one"}\n\n' + line + b'\n{"text": "two"}')
    with pytest.raises(UserError, match="a.jsonl " + message):
        list(read_documents(path, DATA))
    bad = BadDocuments("skip")
    assert [d.text for d in read_documents(path, DATA, bad)] == ["one", "two"]
    assert bad.counts == {kind: 1} and "a.jsonl line 3" in bad.examples[0]


def test_the_limit_of_skipping(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("x\n" * 5)
    assert not list(read_documents(path, DATA, BadDocuments("skip", 5)))
    with pytest.raises(UserError, match="prepare.max_bad_documents=4.*line 5"):
        list(read_documents(path, DATA, BadDocuments("skip", 4)))
    with pytest.raises(UserError, match="4 bad documents.*line 3"):
        list(read_documents(path, DATA, BadDocuments("skip", 3, before=1)))


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_a_truncated_file_keeps_its_whole_lines_and_is_named(tmp_path, suffix, pack):
    path = tmp_path / f"a.jsonl{suffix}"
    first, second = (b"".join(b'{"text": "%d"}\n' % i for i in range(k, k + 3)) for k in (0, 3))
    path.write_bytes(pack(first) + pack(second + b'{"text": "cut')[:-9])
    with pytest.raises(UserError, match=f"a.jsonl{suffix} .after line .* is truncated"):
        list(read_documents(path, DATA))
    bad = BadDocuments("skip")
    texts = [d.text for d in read_documents(path, DATA, bad)]
    assert texts[:3] == ["0", "1", "2"] and "cut" not in texts and bad.counts == {"broken_file": 1}


def test_a_text_file_that_is_not_utf8(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\xff\n")
    with pytest.raises(UserError, match="a.txt line 2 is not UTF-8"):
        list(read_documents(tmp_path / "a.txt", DATA))


def test_a_byte_order_mark_is_dropped(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfx")
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "y"}\r\n{"text": "z"}\r\n')
    assert [d.text for name in ("a.txt", "a.jsonl") for d in read_documents(tmp_path / name, DATA)] == ["x", "y", "z"]


def test_parquet_faults(tmp_path):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"txt": ["a"], "id": [1]}), path)
    with pytest.raises(UserError, match="no column 'text'.*did you mean 'txt'"):
        list(read_documents(path, DATA))
    assert [d.id for d in read_documents(path, DataConfig(text_field="txt"))] == ["1"]
    bytes_column = pyarrow.array([b"ok", b"\xff", None], pyarrow.binary()).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"text": bytes_column}), path)
    with pytest.raises(UserError, match="row 2 is not UTF-8"):
        list(read_documents(path, DATA))
    bad = BadDocuments("skip")
    assert [d.text for d in read_documents(path, DATA, bad)] == ["ok"] and bad.counts == {"not_utf8": 1, "no_text": 1}
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="a.parquet .after row 0. is not readable as parquet"):
        list(read_documents(path, DATA))


def test_a_span_numbers_its_lines_by_the_file(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [b'{"text": "a"}\n', b"\n", b'{"text": "b"}\n', b"bad\n", b'{"text": "c"}']
    path.write_bytes(b"".join(rows))
    start = len(rows[0] + rows[1])
    (b,) = read_documents(Span(path, start, start + len(rows[2])), DATA)
    assert (b.text, b.line, b.id) == ("b", 3, f"{path}:3")
    with pytest.raises(UserError, match="a.jsonl line 4 is not valid JSON"):
        list(read_documents(Span(path, start), DATA))


def test_progress_counts_every_byte_on_disk(tmp_path):
    path = write(tmp_path / "a.jsonl.zst", [{"text": "x" * 1000}] * 50, zstandard.compress)
    seen = []
    list(read_documents(path, DATA, seen=seen.append))
    assert sum(seen) == path.stat().st_size


def test_ids_beyond_64_bits_keep_their_digits(tmp_path):
    """As floats they would all be one; fields of other records too, into the corpus and out of it."""
    from data_prep.records.record import Record, from_line, to_line

    ids = [2**64 + number for number in range(3)]
    path = write(tmp_path / "a.jsonl", [{"id": number, "text": "x", "author": {"id": number}} for number in ids])
    documents = list(read_documents(path, DATA))
    assert [d.id for d in documents] == [str(number) for number in ids] and [
        d.fields["author"]["id"] for d in documents
    ] == ids
    (tmp_path / "b.pages.json").write_text(json.dumps({"id": ids[1], "pages": ["x"]}))
    assert next(read_documents(tmp_path / "b.pages.json", DATA)).id == str(ids[1])
    record = Record(documents[0].id, "x", "source", "", "", "tr", str(path), 1, documents[0].fields)
    line = to_line(record)
    assert from_line(line).notes["author"] == {"id": ids[0]} and str(ids[0]).encode() in line
