"""Splits of a set: queries drawn by a hash of their ids, and splits that are missing drawn from those that are
there."""

import hashlib
from collections.abc import Collection, Iterable, Sequence

from common.retrieval.layout import SPLITS

SHARES = {"train": 0.5, "dev": 0.2, "test": 0.3}
_DONORS = {"train": ("dev", "test"), "dev": ("train", "test"), "test": ("dev", "train")}
"""Where a missing split is drawn from, the first that is there: test queries stay what they are as long as there are
others."""


def split_of(query_id: str, seed: int, among: Sequence[str] = SPLITS) -> str:
    """The split that a query falls into: uniform in a hash, so that adding a query moves no other one."""
    place = _place(query_id, seed) * sum(SHARES[split] for split in among)
    end = 0.0
    for split in among[:-1]:
        end += SHARES[split]
        if place < end:
            return split
    return among[-1]


def donors(there: Collection[str]) -> dict[str, str]:
    """Each split, and the one of those that are ``there`` (one at least) whose queries it takes."""
    return {
        split: split if split in there else next(donor for donor in _DONORS[split] if donor in there)
        for split in SPLITS
    }


def drawn(query_ids: Iterable[str], seed: int, among: Sequence[str]) -> dict[str, str]:
    """Split of each query. One that the hash leaves empty gets a query of the fullest, so that few queries are
    enough."""
    split_by_query = {name: split_of(name, seed, among) for name in query_ids}
    for split in among:
        held = {
            own_split: [name for name, owner in split_by_query.items() if owner == own_split] for own_split in among
        }
        fullest = max(among, key=lambda own_split: len(held[own_split]))
        if not held[split] and len(held[fullest]) > 1:
            split_by_query[min(held[fullest], key=lambda name: _place(name, seed))] = split
    return split_by_query


def _place(query_id: str, seed: int) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed}\t{query_id}".encode()).digest()[:8], "big") / 2**64
