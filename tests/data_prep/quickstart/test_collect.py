"""Text out of a user's files: parts, groups, names, limits."""

import json

from common.reading.bad import BadDocuments
from conf.schema.data import DataConfig
from data_prep.quickstart.collect import cut, from_files, numbered
from data_prep.quickstart.group_split import share_of
from data_prep.sources.inputs import list_inputs

PARAGRAPH = "This paragraph of the text has some words in it so that it is one. "


def gather(folder, max_bytes=10**9, mode="error"):
    return from_files(folder, list_inputs([str(folder)]), DataConfig(), BadDocuments(mode), max_bytes)


def test_cut_loses_nothing_and_keeps_paragraphs_whole():
    text = "\n\n".join(PARAGRAPH * (i % 7 + 1) + str(i) for i in range(200)) + "\n\n" + "x" * 2500 + "\n" * 5
    parts = list(cut(text, 1000))
    assert "".join(parts).strip() == text.strip() and max(map(len, parts)) <= 1000
    assert sum(part.rstrip()[-1].isdigit() for part in parts) >= len(parts) - 4
    assert list(cut(" \n\n \n")) == [] and list(cut("short")) == ["short"]


def test_numbered():
    assert list(numbered(["a", "b", "a", "a"])) == ["a", "b", "a~2", "a~3"]


def test_documents_are_groups_unless_they_are_few(tmp_path):
    for i in range(15):
        (tmp_path / f"{i:02}.md").write_text(f"# Title number {i} of it\n\n{PARAGRAPH * 450}")
    few = gather(tmp_path)
    assert few.grouped_by == "part of a document" and len({text.group for text in few.texts}) == len(few.texts) == 30
    lines = [{"id": f"d{i % 8}", "title": f"The title number {i}", "text": PARAGRAPH * 3 + str(i)} for i in range(10)]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
    many = gather(tmp_path)
    assert many.grouped_by == "document" and len({text.group for text in many.texts}) == 25
    names = [text.id for text in many.texts]
    assert len(names) == len(set(names)) == 40 and {"00.md#0", "00.md#1", "d7#0", "d1#0", "d1#0~2"} <= set(names)
    assert next(text for text in many.texts if text.id == "d7#0").pairs[0].query == "The title number 7"


def test_a_limit_keeps_the_same_parts_whatever_comes_first(tmp_path):
    for i in range(100):
        (tmp_path / f"{i:03}.txt").write_text(PARAGRAPH * 10 + str(i))
    some = gather(tmp_path, max_bytes=20_000)
    ids = [text.id for text in some.texts]
    assert 25 <= len(ids) <= 30 and ids == sorted(ids) and some.passed_over["not needed"] == 100 - len(ids)
    assert set(ids) == set(sorted((f"{i:03}.txt#0" for i in range(100)), key=share_of)[: len(ids)])


def test_bad_documents_are_counted(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one two three"}\nno json\n')
    collected = gather(tmp_path, mode="skip")
    assert (
        len(collected.texts) == 1
        and collected.passed_over["invalid_json"] == 1
        and "a.jsonl line 2" in collected.facts["bad_documents"][0]
    )
