"""Text to measure on is whole, or it is refused in one sentence with its place."""

import gzip
import json
import subprocess
import sys

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from common.errors import UserError
from model.evaluation.measures.perplexity.texts import digest_texts, read_texts, text_files

LINES = "".join(json.dumps({"text": f"belge {number}"}) + "\n" for number in range(2000)).encode()


def never_closed() -> bytes:
    """What a process leaves that was killed: whole blocks, and no end."""
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(LINES) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


def parquet(column) -> bytes:
    out = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table({"text": column}), out)
    return out.getvalue().to_pybytes()


PACKED = zstandard.compress(LINES)
DAMAGED = {
    "cut.jsonl.zst": (PACKED[:-20], r"\(after line \d+\) is truncated: it ends inside a compressed frame"),
    "open.jsonl.zst": (never_closed(), r"\(after line 2000\) is truncated: it ends inside a compressed frame"),
    "second.jsonl.zst": (PACKED + PACKED[:-20], r"\(after line \d+\) is truncated"),
    "empty.jsonl.zst": (b"", r"\(after line 0\) is truncated: it is empty"),
    "sum.jsonl.zst": (
        zstandard.ZstdCompressor(write_checksum=True).compress(LINES)[:-4] + b"abcd",
        r"\(after line \d+\) does not unpack",
    ),
    "cut.txt.zst": (PACKED[:-20], "is truncated"),
    "cut.jsonl.gz": (gzip.compress(LINES)[:-20], r"\(after line \d+\) is truncated"),
    "no.jsonl.gz": (LINES, r"\(after line 0\) does not unpack"),
    "surrogate.jsonl": (LINES + b'{"text": "half \\ud83d"}\n', "line 2001 is not valid JSON"),
    "null.jsonl": (LINES + b'{"text": null}\n', "line 2001 has no string in the field 'text'"),
    "cut.parquet": (parquet(["a", "b"])[:-9], r"\(after row 0\) is not readable as parquet"),
    "no.parquet": (LINES, r"\(after row 0\) is not readable as parquet"),
    "numbers.parquet": (parquet([1, 2]), "row 1 has no string in the column 'text'"),
    "binary.parquet": (parquet([b"a", b"b"]), "row 1 has no string in the column 'text'"),
    "struct.parquet": (parquet([{"a": "b"}]), "row 1 has no string in the column 'text'"),
    "latin.parquet": (parquet(pyarrow.array([b"ok", b"\xff"]).view(pyarrow.string())), "row 2 is not UTF-8"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_refused_by_file_and_line(tmp_path, name):
    (tmp_path / "a.txt").write_text("whole")
    (tmp_path / name).write_bytes(DAMAGED[name][0])
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(UserError, match=rf"^\S*/{name} {DAMAGED[name][1]}.*; mend it$"):
            read_texts(path, "evaluation.domain.law")


def test_a_column_of_texts_may_be_of_any_kind_of_string(tmp_path):
    texts = pyarrow.array(["a", "b", None, "b"])
    for number, kind in enumerate(
        (pyarrow.string(), pyarrow.large_string(), pyarrow.dictionary(pyarrow.int32(), pyarrow.string()))
    ):
        (tmp_path / f"{number}.parquet").write_bytes(parquet(texts.cast(kind)))
    assert read_texts(tmp_path, "key") == ["a", "b", "b"] * 3
    (tmp_path / "3.parquet.zst").write_bytes(zstandard.compress(parquet(texts)))
    assert read_texts(tmp_path / "3.parquet.zst", "key") == ["a", "b", "b"]


def test_files_of_other_kinds_are_said(tmp_path, capsys):
    for name in ("a.txt", "b.docx", "sub/c.docx", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert read_texts(tmp_path, "evaluation.domain.x") == ["a.txt"]
    assert "evaluation.domain.x: files of kinds that are not read: 2 .docx, 1 .md; such as" in capsys.readouterr().err


def test_linked_folders_are_read(tmp_path):
    for name in ("in/local/b.jsonl", "store/web/a.jsonl", "store/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"text": name}))
    before = digest_texts(tmp_path / "in", "key")
    (tmp_path / "in/web").symlink_to("../store/web")
    (tmp_path / "in/web2").symlink_to("../store/web")
    assert read_texts(tmp_path / "in", "key") == ["in/local/b.jsonl", "store/web/a.jsonl"]
    assert text_files(tmp_path / "in", "key") == [tmp_path / "in/local/b.jsonl", tmp_path / "in/web/a.jsonl"]
    assert digest_texts(tmp_path / "in", "key") != before
    (tmp_path / "in/web2").unlink()
    (tmp_path / "in/web2").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"^evaluation.domain.x: the link .*in/web2 leads to .* back to it; remove it$"):
        read_texts(tmp_path / "in", "evaluation.domain.x")
    (tmp_path / "gone").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"^evaluation.domain.x: .*/gone is a dead link"):
        read_texts(tmp_path / "gone", "evaluation.domain.x")


PEAK = """
import resource, sys
from model.evaluation.measures.perplexity.texts import read_texts
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_texts(sys.argv[1], "evaluation.domain.x", 1_000_000)
except Exception as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_bomb_is_refused_in_little_memory(tmp_path):
    packer = zstandard.ZstdCompressor(1).compressobj()
    packed = b"".join(
        [packer.compress(b'{"text": "'), *(packer.compress(b"x" * 1_000_000) for _ in range(800)), packer.flush()]
    )
    (tmp_path / "a.jsonl.zst").write_bytes(packed)
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path)], capture_output=True, text=True, check=True)
    told, peak = done.stdout.splitlines()
    assert (
        told.endswith("a.jsonl.zst line 1 has more than data.max_document_bytes=1000000 bytes; mend it")
        and int(peak) < 120
    ), "MB"


def test_a_file_renamed_to_another_format_is_other_text(tmp_path):
    (tmp_path / "in").mkdir()
    text = tmp_path / "in" / "law.txt"
    text.write_bytes(LINES)
    before, one = digest_texts(tmp_path / "in", "key"), read_texts(tmp_path / "in", "key")
    text.rename(text.with_suffix(".jsonl"))
    assert len(one) == 1 and len(read_texts(tmp_path / "in", "key")) == 2000
    assert digest_texts(tmp_path / "in", "key") != before
