import json

import pytest

from data_prep.endpoint.client import Answer, Failure
from data_prep.ocr.answers import page_of

CELLS = [
    {"bbox": [0, 0, 9, 9], "category": "Text", "text": "Gereği düşünüldü."},
    {"bbox": [1, 1, 2, 2], "category": "Picture"},
]


@pytest.mark.parametrize(
    ("said", "page"),
    [
        ("  Gereği düşünüldü.\n", {"text": "Gereği düşünüldü."}),
        ("", {"text": ""}),
        (json.dumps(CELLS, ensure_ascii=False), {"cells": CELLS}),
        (f"```json\n{json.dumps(CELLS, indent=1)}\n```", {"cells": CELLS}),
        ("```\nmetin\n```", {"text": "metin"}),
        ("[ ] kutu", {"text": "[ ] kutu"}),
        ('[{"bbox": [0, 0, 9', {"text": '[{"bbox": [0, 0, 9'}),
        ('[{"bbox": [0], "category": "Te', {"text": "", "failed": "the layout is not valid JSON"}),
    ],
)
def test_an_answer_becomes_a_page(said, page):
    assert page_of(3, Answer(said, True), 10) == {"page": 3} | page


def test_what_is_no_answer_says_why():
    assert page_of(1, Failure("status 500"), 10) == {"page": 1, "text": "", "failed": "status 500"}
    assert page_of(1, Answer("x x x x", False), 10)["failed"] == "the answer was cut off at max_tokens=10"
