"""Packs: nothing lost, nothing twice, never too full, hardly ever half empty."""

import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from model.training.data.packing import assign, cut, pack


@settings(max_examples=150, deadline=None)
@given(lengths=st.lists(st.integers(0, 70), max_size=60), capacity=st.integers(1, 32))
def test_every_token_once_and_capacity_held(lengths, capacity):
    lengths = np.array(lengths, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    packs = pack(starts, lengths, capacity)
    seen = [t for s, n in zip(packs.starts, packs.lengths, strict=True) for t in range(s, s + n)]
    assert sorted(seen) == list(range(lengths.sum()))
    per_pack = [int(packs.lengths[a:b].sum()) for a, b in zip(packs.offsets[:-1], packs.offsets[1:], strict=True)]
    assert all(0 < total <= capacity for total in per_pack)
    assert packs.tokens == lengths.sum()


def plain_best_fit_decreasing(lengths: list[int], capacity: int) -> int:
    """Number of packs by the textbook: each piece, longest first, into the fullest pack that still has room."""
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [i for i, room in enumerate(rooms) if room >= length]
        if fitting:
            best = min(fitting, key=lambda i: rooms[i])
            rooms[best] -= length
        else:
            rooms.append(capacity - length)
    return len(rooms)


@settings(max_examples=200, deadline=None)
@given(lengths=st.lists(st.integers(1, 24), min_size=1, max_size=80))
def test_is_best_fit_decreasing(lengths):
    assert assign(np.array(lengths), 24).max() + 1 == plain_best_fit_decreasing(lengths, 24)


def test_cut_keeps_order_and_remainder():
    starts, lengths = cut(np.array([0, 25, 25]), np.array([25, 0, 10]), 10)
    assert starts.tolist() == [0, 10, 20, 25]
    assert lengths.tolist() == [10, 10, 5, 10]


def test_a_million_documents_in_seconds():
    rng = np.random.default_rng(0)
    lengths = np.clip(np.exp(rng.normal(5.5, 1.2, 1_000_000)), 3, 100_000).astype(
        np.int64
    )  # median 245 tokens, long tail
    starts = np.cumsum(lengths) - lengths
    begun = time.process_time()
    packs = pack(starts, lengths, 1024)
    assert time.process_time() - begun < 10
    assert packs.tokens / (len(packs) * 1024) > 0.99


@pytest.mark.parametrize("capacity", [128, 512, 1024])
def test_hardly_any_room_is_left_on_real_lengths(capacity):
    """Sizes of the modules of the standard library, and of their paragraphs, at about four bytes a token."""
    texts = [path.read_bytes() for path in sorted(Path(json.__file__).parent.parent.glob("*.py"))]
    for parts in (texts, [part for text in texts for part in text.split(b"\n\n")]):
        lengths = np.array([2 + len(part) // 4 for part in parts])
        packs = pack(np.cumsum(lengths) - lengths, lengths, capacity)
        assert packs.tokens / (len(packs) * capacity) > 0.97


def test_hardly_any_room_is_left_on_turkish_law(shared_data):
    with zstandard.open(shared_data / "tr_legal" / "train.jsonl.zst", "rt", encoding="utf-8") as lines:
        lengths = np.array([2 + len(json.loads(line)["text"]) // 4 for line in itertools.islice(lines, 3000)])
    for capacity in (128, 1024, 2048):
        packs = pack(np.cumsum(lengths) - lengths, lengths, capacity)
        assert packs.tokens / (len(packs) * capacity) > 0.97
