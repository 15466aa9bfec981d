"""Near-duplicates against a brute force over Python sets."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.quickstart import near_duplicates
from data_prep.quickstart.near_duplicates import held_by_other, repeats, shingle
from tests.data_prep.reference import held, shingles_of

WORDS = ["a", "b", "c", "d", "é"]
text = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)
texts = st.lists(text, max_size=9)
thresholds = st.sampled_from([0.0, 0.3, 0.4, 0.5, 0.75, 1.0])


@settings(max_examples=120, deadline=None)
@given(texts, texts, thresholds)
def test_held_by_other_is_the_brute_force(some, others, threshold):
    shingles = shingle(some + others)
    mine, theirs = np.arange(len(some)), len(some) + np.arange(len(others))
    expected = [any(held(shingles_of(text), shingles_of(other), threshold) for other in others) for text in some]
    assert held_by_other(shingles.take(mine), shingles.take(theirs), threshold).tolist() == expected


@settings(max_examples=120, deadline=None)
@given(texts, thresholds)
def test_repeats_is_the_brute_force(some, threshold):
    order = sorted(range(len(some)), key=lambda i: -len(shingles_of(some[i])))
    kept: list[int] = []
    for i in order:
        if not any(held(shingles_of(some[i]), shingles_of(some[j]), threshold) for j in kept):
            kept.append(i)
    expected = [i not in kept for i in range(len(some))]
    assert repeats(shingle(some), threshold).tolist() == expected


@pytest.mark.parametrize(("rows", "matches"), [(3, 10), (1, 1), (7, 1000)])
def test_blocks_change_nothing(rows, matches, monkeypatch):
    draw = random.Random(0)
    some = [" ".join(draw.choices("abcdef", k=draw.randint(1, 30))) for _ in range(60)]
    whole = repeats(shingle(some), 0.3)
    shingles = shingle(some)
    held_whole = held_by_other(shingles, shingles.take(np.arange(5)), 0.3)
    monkeypatch.setattr(near_duplicates, "FIRST_ROWS", rows)
    monkeypatch.setattr(near_duplicates, "MOST_ROWS", 2 * rows)
    monkeypatch.setattr(near_duplicates, "MATCHES_AT_ONCE", matches)
    assert 0 < whole.sum() < 60 and (repeats(shingles, 0.3) == whole).all()
    assert (held_by_other(shingles, shingles.take(np.arange(5)), 0.3) == held_whole).all()


def test_case_and_punctuation_do_not_count_and_a_short_copy_in_a_long_text_is_found():
    long = "The quick brown fox jumps over the lazy dog, and then it sleeps until the morning comes again."
    some = [long, "the QUICK -- brown fox: jumps over", "nothing to see here, move along now please"]
    assert repeats(shingle(some), 0.5).tolist() == [False, True, False]


def test_what_only_a_dropped_text_holds_is_kept():
    first = " ".join(f"a{i}" for i in range(40))
    second = " ".join(
        [f"a{i}" for i in range(15, 40)] + [f"b{i}" for i in range(8)]
    )  # more than half of it is in the first
    third = " ".join([f"a{i}" for i in range(32, 40)] + [f"b{i}" for i in range(8)] + [f"c{i}" for i in range(9)])
    assert repeats(shingle([first, second, third]), 0.5).tolist() == [False, True, False]
    assert repeats(shingle([second, third]), 0.5).tolist() == [False, True]


def test_many_copies_with_boilerplate_are_quick_and_leave_one():
    base = " ".join(f"word{i}" for i in range(100))
    some = [f"{base} number {i} of many" for i in range(3000)]
    dropped = repeats(shingle(some), 0.5)
    assert dropped.sum() == 2999 and not dropped[0]


def test_empty():
    assert repeats(shingle([]), 0.5).tolist() == []
    shingles = shingle(["a b c d"])
    assert held_by_other(shingles, shingles.take(np.zeros(0, int)), 0.5).tolist() == [False]
