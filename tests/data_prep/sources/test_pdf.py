import subprocess
import sys
import zlib

import pytest
import zstandard

from common.errors import UserError
from common.reading.bad import BadDocuments
from conf.schema.corpus import SourceConfig
from data_prep.sources.pages import PAGE_BREAK
from data_prep.sources.pdf_pages import BASE
from data_prep.sources.readers import Form, read_documents
from tests.data_prep.sources.papers import bound, scanned_pdf, text_pdf

SOURCE = SourceConfig()


def test_pages_with_text_are_joined_and_the_others_listed(tmp_path):
    parts = [text_pdf(["Yargıtay İçtihadı\nikinci satır", "öğüşç ĞÜŞİÖÇ"]), scanned_pdf(["x"]), text_pdf(["son sayfa"])]
    path = bound(parts, tmp_path / "a.pdf")
    (document,) = read_documents(path, SOURCE)
    assert document.text.split(PAGE_BREAK) == ["Yargıtay İçtihadı\nikinci satır", "öğüşç ĞÜŞİÖÇ", "son sayfa"]
    assert document.fields == {"pages": 4, "pages_without_text": [3]}
    assert document.id == f"{path}:1"
    (tmp_path / "b.pdf.zst").write_bytes(zstandard.compress(path.read_bytes()))
    assert [d.text for d in read_documents(tmp_path / "b.pdf.zst", SOURCE)] == [document.text]


def test_a_pdf_without_any_text_is_counted_and_not_lost(tmp_path):
    (tmp_path / "a.pdf").write_bytes(scanned_pdf(["bir", "iki"]))
    with pytest.raises(UserError, match=r"a\.pdf has no text layer on any of its 2 pages; read it with jobs.ocr"):
        list(read_documents(tmp_path / "a.pdf", SOURCE))
    bad = BadDocuments("skip")
    assert not list(read_documents(tmp_path / "a.pdf", SOURCE, bad)) and bad.counts == {"no_text_layer": 1}


@pytest.mark.parametrize("content", [b"no pdf at all", b"", text_pdf(["x"])[:200]])
def test_a_broken_pdf_is_counted(tmp_path, content):
    (tmp_path / "a.pdf").write_bytes(content)
    bad = BadDocuments("skip")
    assert not list(read_documents(tmp_path / "a.pdf", SOURCE, bad)) and bad.counts == {"broken_file": 1}
    assert "is not readable as PDF" in bad.examples[0]


def test_words_divided_at_the_end_of_a_line_are_joined(tmp_path):
    (tmp_path / "a.pdf").write_bytes(text_pdf(["Yargıtay kara-\nrını temyiz edil-\nmiştir. Ceza-i şart\nson"]))
    assert [d.text for d in read_documents(tmp_path / "a.pdf", SOURCE)] == [
        "Yargıtay kararını temyiz edilmiştir. Ceza-i şart\nson"
    ]


def test_a_pdf_with_too_much_text(tmp_path):
    (tmp_path / "a.pdf").write_bytes(text_pdf(["x" * 60]))
    bad = BadDocuments("skip")
    assert not list(read_documents(tmp_path / "a.pdf", Form(max_bytes=20), bad)) and bad.counts == {"too_long": 1}


def bomb(repeats: int) -> bytes:
    """A .pdf of a few kilobytes, whose one page unpacks to ``repeats`` times as many operators."""
    page = zlib.compress(zlib.compress(b"BT /F1 12 Tf " + b"(a) Tj " * repeats + b"ET", 9), 9)
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%s\nendstream" % (len(page), page),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]  # fmt: skip
    return (
        b"%PDF-1.4\n"
        + b"".join(b"%d 0 obj%sendobj\n" % (number, part) for number, part in enumerate(parts, 1))
        + b"trailer<</Root 1 0 R>>"
    )


MEMORY = """
import resource, sys
from pathlib import Path
from common.reading.bad import BadDocuments
from data_prep.sources.readers import Form, read_documents
form, bad = Form(max_bytes=10_000_000), BadDocuments("skip")
print([[one.text for one in read_documents(Path(file), form, bad)] for file in sys.argv[1:]], dict(bad.counts))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


@pytest.mark.parametrize("packed", [False, True])
def test_a_page_that_unpacks_to_gigabytes_is_counted_in_bounded_memory(tmp_path, packed):
    """In a process beside the reader, which takes no more than its limit, and the file after is read all the same."""
    raw = bomb(20_000_000)
    file = tmp_path / ("a.pdf.zst" if packed else "a.pdf")
    file.write_bytes(zstandard.compress(raw) if packed else raw)
    assert file.stat().st_size < 10_000
    (tmp_path / "b.pdf").write_bytes(text_pdf(["bir"]))
    # A process of its own: the peak of children is one figure for all that a process ever had.
    command = [sys.executable, "-c", MEMORY, file, tmp_path / "b.pdf"]
    counted, used = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert counted == "[[], ['bir']] {'too_long': 1}" and int(used) < 200_000_000 + BASE, used
