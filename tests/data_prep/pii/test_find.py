"""Places: windows and overlaps."""

import re

from hypothesis import given
from hypothesis import strategies as st

from data_prep.pii.anonymise import Anonymiser
from data_prep.pii.find import longest, windows
from data_prep.text.language import load_language

KINDS = ["a", "b", "c"]
ANONYMISER = Anonymiser(load_language("tr"))
PIECES = [
    "ali@x.com",
    "www.a.tr",
    "0532 123 45 67",
    "+90 532 123 45 67",
    "10000000146",
    "TR33 0006 1005 1978 6457 8413 26",
    "4111111111111111",
    " ",
    ".",
    "7",
    ", ",
    "\n",
    "(",
    ")",
    "Lale Sok. No: 5",
    "85.105.20.7",
    "Vergi No",
    "4540536920",
    "http://",
    "@",
    "::",
    "1:",
    "Tel:",
    "İ",
    "\ud800",
    "-",
    "TL",
]


def test_windows_join_where_they_overlap() -> None:
    hits = list(re.finditer("x", "x" + "." * 20 + "x.x" + "." * 40 + "x"))
    assert list(windows(hits, 3, 5)) == [(0, 6), (18, 29), (61, 70)]
    assert list(windows([], 3, 5)) == []


def test_longest_then_first_kind_then_earlier() -> None:
    assert longest([(0, 5, "a"), (3, 10, "b")], KINDS) == [(3, 10, "b")]
    assert longest([(0, 5, "b"), (0, 5, "a"), (5, 9, "c")], KINDS) == [(0, 5, "a"), (5, 9, "c")]
    assert longest([(4, 8, "a"), (0, 4, "a"), (2, 6, "a")], KINDS) == [(0, 4, "a"), (4, 8, "a")]
    assert longest([], KINDS) == []


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.sampled_from(KINDS)), max_size=12))
def test_what_stays_is_what_choosing_among_all_gives(spans: list[tuple[int, int, str]]) -> None:
    finds = [(start, start + size, kind) for start, size, kind in spans]
    expected: list[tuple[int, int, str]] = []
    for find in sorted(finds, key=lambda find: (find[0] - find[1], KINDS.index(find[2]), find[0])):
        if all(find[1] <= other[0] or other[1] <= find[0] for other in expected):
            expected.append(find)
    assert longest(finds, KINDS) == sorted(expected)


@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_text_is_cut_into_finds_and_the_rest(pieces: list[str]) -> None:
    text = "".join(pieces)
    finds, last, rest = ANONYMISER.find(text), 0, []
    for start, end, kind in finds:
        assert last <= start < end <= len(text)
        rest += [text[last:start], f"<{kind.upper()}>"]
        last = end
    replaced, counts = ANONYMISER.replace(text)
    assert replaced == "".join([*rest, text[last:]])
    assert counts.total() == len(finds)


def test_hostile_texts_come_to_an_end() -> None:
    for piece in (
        "a@b.c ",
        "1 ",
        "a.a@",
        "Lale Sok. ",
        "1.1.1.1 ",
        "(((+90 ",
        "http://",
        "0532 123 45 67 ",
        "::a:",
        "Vergi ",
        "x@x.tr,",
    ):
        text = piece * (50_000 // len(piece))  # quadratic time would run into the limit of the test
        assert all(text[start:end] for start, end, _ in ANONYMISER.find(text))
