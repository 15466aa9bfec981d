"""Pairs out of docstrings, headings and first sentences."""

import email.message
from pathlib import Path

import pytest

from data_prep.quickstart.docstrings import Docstring, Source, read_source
from data_prep.quickstart.pairs import (
    Pair,
    docstring_pair,
    first_sentence,
    heading_query,
    passages,
    sections,
    text_pairs,
    without_names,
)

REST = (
    "It is described here at some length, with more than fifteen words, so that a reader may know what it is that they"
    " have found."
)


def docstring(text: str, name: str = "numpy.linalg.Solver.solve") -> Docstring:
    return Docstring(text, name, "def Solver.solve(self, a, b)", "numpy", 1)


@pytest.mark.parametrize(
    ("text", "sentence", "rest"),
    [
        ("Return it. Then go.", "Return it.", "Then go."),
        ("Return a.b.c of it\n\nThen go.", "Return a.b.c of it", "Then go."),
        ("Use it, e.g. here, or i.e. there! Then", "Use it, e.g. here, or i.e. there!", "Then"),
        ("Say (so.) Then", "Say (so.)", "Then"),
        ("One\ntwo: three", "One\ntwo:", "three"),
        ("No end", "No end", ""),
    ],
)
def test_first_sentence(text, sentence, rest):
    assert first_sentence(text) == (sentence, rest)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("Solve a linear system by `solve`.", "a linear system by."),
        ("Call :meth:`~numpy.linalg.solve` or ``Solver.solve()`` twice.", "Call or twice."),
        ("Resolve the solver's solved equations.", "Resolve the solved equations."),
        ("Uses scipy.linalg.lu and 1.5 of x", "Uses and 1.5 of x"),
        ("A title\n~~~~~~~\nof **bold** things ('solve')", "A title of bold things"),
    ],
)
def test_names_are_taken_out_of_the_summary(text, without):
    assert without_names(text, {"solve", "solver", "linalg", "numpy"}) == without


def test_docstring_pair():
    pair = docstring_pair(docstring(f"Solve a linear matrix equation with ``Solver``.\n\n{REST}"))
    assert pair == Pair("a linear matrix equation with.", f"def Solver.solve(self, a, b) {REST}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"Solve it well.\n\n{REST}", "query too short"),
        (f"{'Compute the very long thing ' * 12}.\n\n{REST}", "query too long"),
        ("Compute the roots of an equation.\n\nOnly a few words are left here.", "document too short"),
        (
            f"Compute the roots of an equation.\n\n{REST} compute the ROOTS\nof an equation!",
            "document repeats the query",
        ),
        (
            f"Compute solve the roots of an equation.\n\n{REST} Compute solve the roots of an equation",
            "document repeats the query",
        ),
        (f"labels (`Tensor` of shape (1,), *optional*):\n    {REST}", "no summary sentence"),
    ],
)
def test_what_makes_no_pair_says_why(text, reason):
    assert docstring_pair(docstring(text)) == reason


def test_pairs_of_a_real_module():
    docstrings = read_source(Source(Path(email.message.__file__), "email", "email.message", 0))
    pairs = {docstring.name: docstring_pair(docstring) for docstring in docstrings}
    pair = pairs["email.message.Message.get_payload"]
    assert pair.query == "Return a reference to the payload."
    assert pair.document.startswith(
        "def Message.get_payload(self, i=None, decode=False) The payload will either be a list object"
    )
    for docstring in docstrings:
        pair = pairs[docstring.name]
        if isinstance(pair, Pair):
            assert not {"email", "message", docstring.name.split(".")[-1].lower()} & set(
                pair.query.lower().rstrip(".").split()
            )


MARKDOWN = f"""# Guide to the machine

{REST}

## Setting up

```
# not a heading but a comment in code
```
{REST}

### On a very old computer

{REST}

Removing
--------
The first sentence of this one is a query. {REST}
"""


def test_sections_of_markdown():
    parts = list(sections(MARKDOWN))
    assert [trail for trail, _ in parts] == [
        ["Guide to the machine"],
        ["Guide to the machine", "Setting up"],
        ["Guide to the machine", "Setting up", "On a very old computer"],
        ["Guide to the machine", "Removing"],
    ]
    assert "# not a heading" in parts[1][1]


def test_pairs_of_markdown_take_the_shortest_trail_of_four_words():
    queries = [pair.query for pair in text_pairs(MARKDOWN)]
    expected = [
        "Guide to the machine",
        "Guide to the machine Setting up",
        "On a very old computer",
        "Guide to the machine Removing",
    ]
    assert queries == expected
    assert all(pair.document.endswith("found.") for pair in text_pairs(MARKDOWN))


def test_short_title_lines_and_first_sentences():
    text = (
        f"Of the rights of citizens\n\n{REST}\n\nWarranty\n\nThe seller answers for every defect of it. {REST}\n\nnot a"
        " title\n\nEnds."
    )
    assert [trail for trail, _ in sections(text)] == [["Of the rights of citizens"], ["Warranty"]]
    first, second = text_pairs(text)
    assert first == Pair("Of the rights of citizens", REST)
    assert second.query == "The seller answers for every defect of it." and second.document.startswith(
        "It is described"
    )


def test_a_title_of_the_record_leads_the_headings():
    assert [pair.query for pair in text_pairs(f"## Scope\n{REST}", "Law on road traffic")] == [
        "Law on road traffic Scope"
    ]
    assert heading_query(["Too", "short"]) == ""


def test_passages_lose_nothing_and_are_short():
    text = "\n\n".join([" ".join(f"w{i}." for i in range(n)) for n in (3, 150, 120, 700, 2)])
    parts = list(passages(text))
    assert " ".join(parts).split() == text.split()
    assert len(parts) > 5 and max(len(piece.split()) for piece in parts) <= 200
