"""Groups to splits by bytes."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.quickstart.group_split import share_of, split_groups

SHARES = {"test": 0.22, "dev": 0.08}


def filled(sizes: dict[str, int], splits: dict[str, str]) -> dict[str, float]:
    bytes_of = Counter()
    for name, split in splits.items():
        bytes_of[split] += sizes[name] / sum(sizes.values())
    return bytes_of


def test_shares_of_bytes_are_reached_although_a_few_packages_dominate():
    sizes = {"giant": 9_000_000, **{f"big{i}": 2_500_000 for i in range(3)}}
    sizes |= {f"large{i}": 400_000 for i in range(30)} | {f"small{i}": 20_000 + i for i in range(250)}
    splits = split_groups(sizes, SHARES)
    bytes_of = filled(sizes, splits)
    assert {splits[name] for name in ("giant", "big0", "big1", "big2")} == {"train"}
    assert bytes_of["test"] == pytest.approx(0.22, abs=0.02) and bytes_of["dev"] == pytest.approx(0.08, abs=0.02)
    kinds = Counter(split for name, split in splits.items() if name.startswith("small"))
    assert kinds["train"] > kinds["test"] > kinds["dev"] > 5


def test_equal_groups():
    sizes = {f"file{i}": 100 for i in range(50)}
    assert Counter(split_groups(sizes, SHARES).values()) == {"train": 35, "test": 11, "dev": 4}
    few = Counter(split_groups({f"file{i}": 100 for i in range(5)}, SHARES).values())
    assert few == {"train": 3, "test": 1, "dev": 1}


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.integers(1, 10**6), min_size=3, max_size=60))
def test_every_group_has_one_split_whatever_the_order_and_none_is_empty(sizes):
    splits = split_groups(sizes, SHARES)
    assert splits == split_groups(dict(sorted(sizes.items())), SHARES)
    assert set(splits) == set(sizes) and set(splits.values()) == {"train", "dev", "test"}


def test_no_shares_is_all_training():
    assert set(split_groups({"a": 1, "b": 2}, {}).values()) == {"train"}


def test_share_of_is_uniform():
    draws = sorted(share_of(str(i)) for i in range(2000))
    assert max(abs(draw - i / 2000) for i, draw in enumerate(draws)) < 0.04
