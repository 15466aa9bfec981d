import json

import pytest

from common.reading.bad import BadDocuments
from conf.schema.corpus import SourceConfig
from data_prep.sources.pages import PAGE_BREAK, NoPages, page_texts
from data_prep.sources.readers import read_documents

SOURCE = SourceConfig()
LAYOUT = [
    {"bbox": [0, 0, 10, 5], "category": "Page-header", "text": "T.C. YARGITAY"},
    {"bbox": [0, 5, 10, 9], "category": "Section-header", "text": "## GİRİŞ"},
    {"bbox": [0, 9, 10, 50], "category": "Text", "text": "Davacı vekili temyiz etmiştir."},
    {"bbox": [0, 50, 10, 60], "category": "Picture"},
    {
        "bbox": [0, 60, 10, 80],
        "category": "Table",
        "text": "<table><tr><th>Yıl</th><th>Esas</th></tr><tr><td>2019</td><td>12</td></tr></table>",
    },
    {"bbox": [0, 80, 10, 90], "category": "Page-footer", "text": "7"},
]
READ = "## GİRİŞ\n\nDavacı vekili temyiz etmiştir.\n\nYıl Esas\n2019 12"


def test_pages_are_joined_and_those_without_text_listed(tmp_path):
    pages = [
        {"page": 1, "text": "bir"},
        {"page": 2, "text": " "},
        {"page": 3, "cells": LAYOUT},
        {"page": 4, "text": None},
    ]
    record = {"id": "tez-1", "pages": pages, "url": "u"}
    (tmp_path / "a.pages.json").write_text(json.dumps(record))
    (tmp_path / "b.pages.jsonl").write_text(json.dumps(record) + "\n\n" + json.dumps(record | {"id": "tez-2"}))
    (document,) = read_documents(tmp_path / "a.pages.json", SOURCE)
    assert document.text == f"bir{PAGE_BREAK}{READ}" and document.id == "tez-1"
    assert document.fields == {"id": "tez-1", "url": "u", "pages": 4, "pages_without_text": [2, 4]}
    assert [(d.id, d.line, d.text) for d in read_documents(tmp_path / "b.pages.jsonl", SOURCE)] == [
        ("tez-1", 1, document.text),
        ("tez-2", 3, document.text),
    ]


def test_the_forms_of_a_page():
    assert page_texts([LAYOUT, "x", {"page_no": 7, "text": "y"}]) == [(1, READ), (2, "x"), (8, "y")]
    assert page_texts(LAYOUT) == [(1, READ)], "the cells of one page"
    for wrong in (
        None,
        {},
        [5],
        [{"page": "x", "text": "y"}],
        [{"text": 5}],
        [[5]],
        [[{"category": "Text", "text": 5}]],
    ):
        with pytest.raises(NoPages):
            page_texts(wrong)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("{", "invalid_json"),
        ('{"pages": 5}', "invalid_pages"),
        ('{"text": "x"}', "invalid_pages"),
        ('{"pages": [{"text": ""}]}', "no_text"),
        ("[]", "no_text"),
    ],
)
def test_what_is_no_document_is_counted_once(tmp_path, content, kind):
    for name in ("a.pages.json", "a.pages.jsonl"):
        if name == "a.pages.jsonl" and content == "[]":
            continue
        (tmp_path / name).write_text(content)
        bad = BadDocuments("skip")
        assert not list(read_documents(tmp_path / name, SOURCE, bad)) and bad.counts == {kind: 1}


def test_a_table_that_nests_without_end_is_a_bad_page():
    with pytest.raises(NoPages, match="has a table that nests more than 256 elements"):
        page_texts([{"cells": [{"category": "Table", "text": "<table><tr><td>" * 20_000}]}])
