"""Measures that several rules share."""

import numpy as np

from data_prep.text.batch import NEWLINE, Batch, Spans
from data_prep.text.characters import SPACE
from data_prep.text.hashing import mix

RETURN = 13
MOST_CLOSING = 8
"""Closing signs that are passed over at the end of a line."""


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """[n] float64: ``part / whole``, 0 where there is nothing."""
    return part / np.maximum(whole, 1)


def total_in(spans: Spans, mask: np.ndarray) -> np.ndarray:
    """[n] int64: how many of the pieces of a mask [k] each document has."""
    return np.bincount(spans.owners[mask], minlength=len(spans.bounds) - 1)


def duplicates(batch: Batch, spans: Spans) -> tuple[np.ndarray, np.ndarray]:
    """Two [n] int64: the pieces of each document that came before in it, and their characters."""
    hashes = batch.prefix.spans(spans.starts, spans.ends) ^ mix(spans.owners)
    _, first = np.unique(hashes, return_index=True)
    if len(first) == len(spans):
        return np.zeros(len(batch), np.int64), np.zeros(len(batch), np.int64)
    again = np.ones(len(spans), bool)
    again[first] = False
    return total_in(spans, again), spans.total(np.where(again, spans.lengths, 0))


def end_with(batch: Batch, spans: Spans, signs: str, closing: str) -> np.ndarray:
    """[k] bool: pieces whose last character, those of ``closing`` (quotes, brackets) aside, is one of ``signs``."""
    last = spans.ends - 1
    if closing:
        may_follow = batch.is_any(closing)
        passing = np.flatnonzero((spans.lengths > 0) & may_follow[last])
        for _ in range(MOST_CLOSING):
            last[passing] -= 1
            passing = passing[(last[passing] >= spans.starts[passing]) & may_follow[last[passing]]]
    return (last >= spans.starts) & batch.is_any(signs)[last]


def split_lines(batch: Batch) -> Spans:
    """Lines as `str.splitlines` gives them: form feeds and separators end one too, and there is none after the last
    end."""
    codes, ends = batch.codes, np.flatnonzero(batch.breaks)
    last = np.zeros(len(codes) + 1, bool)
    last[batch.starts[1:] - 1] = (
        True  # the newline after a text is not its own: it ends a line only where something stands before it
    )
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    whole = np.ones(len(ends), bool)
    if len(ends) > len(batch.lines):
        halves = np.flatnonzero((codes[ends] == NEWLINE) & (codes[ends - 1] == RETURN))
        starts[halves] = starts[halves - 1]
        ends[halves] -= 1
        whole[halves - 1] = False
    whole &= ~(last[ends] & (starts == ends))
    return batch.spans(starts[whole], ends[whole])


def ink(batch: Batch, spans: Spans) -> tuple[np.ndarray, np.ndarray]:
    """Two [k] int64: the first character of each piece that is no white space, and one past the last; equal where there
    is none."""
    space = (batch.flags & SPACE) != 0
    starts, ends = spans.starts.copy(), spans.ends.copy()
    full = ends > starts
    left, right = np.flatnonzero(full & space[starts]), np.flatnonzero(full & space[ends - 1])
    if len(left) + len(right):
        inked = np.concatenate([np.flatnonzero(~space), [len(space)]])
        starts[left] = np.minimum(inked[np.searchsorted(inked, starts[left])], ends[left])
        last = np.searchsorted(inked, ends[right]) - 1
        ends[right] = np.where(last >= 0, np.maximum(inked[last] + 1, starts[right]), starts[right])
    return starts, ends
