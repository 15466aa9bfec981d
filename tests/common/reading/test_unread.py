"""Files that were passed over, counted and named."""

from pathlib import Path

from common.reading.unread import Unread


def test_suffixes_are_counted_whatever_their_case_and_each_file_once():
    names = ["a/b.docx", "a/c.DOCX", "a/b.docx", "d.png", "e.tar.gz", "Makefile", "f.v2.zip"]
    unread = Unread.of(map(Path, names))
    assert str(unread) == "2 .docx, 1 .png, 1 .tar.gz, 1 .zip, 1 without a suffix; such as a/b.docx"
    assert unread.describe() == {"files": 6, "suffixes": dict(unread.counts), "example": "a/b.docx"}


def test_many_kinds_are_summed_up(capsys):
    unread = Unread.of(Path(f"f{number:02}.s{number:02}") for number in range(20))
    unread.tell("data.inputs")
    told = capsys.readouterr().err
    assert (
        told.startswith("data.inputs: files of kinds that are not read: 1 .s00, 1 .s01")
        and "12 of other kinds; such as f00.s00" in told
    )


def test_nothing_is_said_of_nothing(capsys):
    Unread.of([]).tell("data.inputs")
    assert not Unread.of([]) and not capsys.readouterr().err
