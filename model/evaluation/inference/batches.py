"""Tokenised texts, and the batches in which nets read them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MANY = 16
"""So many texts of one length get forward passes of their own: one of a small net costs as much as this many documents
in a loop."""
WRAPPED = (1, 1)
"""Special tokens before and after each text of an encoder: [CLS] and [SEP]."""


@dataclass
class Tokens:
    """Tokenised texts, ready to be packed."""

    ids: list[np.ndarray]
    """Token ids, one int64 array a text, the special tokens around it among them."""
    shown: list[int]
    """Characters of each text that its tokens cover."""
    around: tuple[int, int] = WRAPPED
    """Special tokens before and after each text, which no mean counts."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def count(self) -> int:
        """Tokens of all texts together."""
        return sum(map(len, self.ids))

    def batches(self, tokens_per_batch: int) -> list[np.ndarray]:
        """Positions of the texts, in batches of at most ``tokens_per_batch`` tokens (or one text).

        A length that many texts have gets batches of its own, in which attention runs without a loop over documents
        (where texts are cut, most share the longest length); the others lie together, since a forward pass costs more
        than a few turns of that loop."""
        lengths = np.array([len(ids) for ids in self.ids])
        found, counts = np.unique(lengths, return_counts=True)
        groups = [np.flatnonzero(lengths == length) for length in found[counts >= MANY]]
        rare = np.flatnonzero(~np.isin(lengths, found[counts >= MANY]))
        groups.append(rare[np.argsort(lengths[rare], kind="stable")])
        return [batch for group in groups for batch in _cut(group, lengths[group], tokens_per_batch)]


def _cut(positions: np.ndarray, lengths: np.ndarray, tokens_per_batch: int) -> Iterator[np.ndarray]:
    """``positions`` in their order, cut where the next text of ``lengths`` would exceed the batch."""
    begin = tokens = 0
    for place, length in enumerate(lengths.tolist()):
        if tokens and tokens + length > tokens_per_batch:
            yield positions[begin:place]
            begin, tokens = place, 0
        tokens += length
    if begin < len(positions):
        yield positions[begin:]
