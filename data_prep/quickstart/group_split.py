"""Whole groups (packages, files) to splits, so that no group has text in two of them."""

import hashlib
from collections import Counter
from collections.abc import Mapping

SMALL = 0.01
LARGEST = 1 / 3
DRAW = "second draw"
"""The quickstart was designed on the first draw; docs/probe.md says what of this one was seen before it was
measured."""


def share_of(name: str) -> float:
    """A number from 0 to 1 that depends on ``name`` alone."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64


def split_groups(sizes: Mapping[str, int], shares: Mapping[str, float], rest: str = "train") -> dict[str, str]:
    """Split of each group: those in ``shares`` get about their share of all bytes, what is left over is ``rest``.

    Groups of at most 1% of the bytes are drawn by a hash of their name, so that every split has many of them. The
    larger ones then fill what the draw left open, in the order of their hashes, each where most room is and it fits.
    One that alone would be more than a third of a split is left to ``rest``: otherwise one package could be a whole
    test set. An empty split gets the smallest group of the others."""
    total = sum(sizes.values())
    order = sorted(sizes, key=lambda name: (_draw(name), name))
    splits = {name: _drawn(name, shares, rest) for name in order if sizes[name] <= SMALL * total}
    room = {split: share * total for split, share in shares.items()}
    for name, split in splits.items():
        if split in room:
            room[split] -= sizes[name]
    for name in order:
        if name in splits:
            continue
        fitting = [split for split in room if sizes[name] <= min(room[split], LARGEST * shares[split] * total)]
        splits[name] = max(fitting, key=room.__getitem__, default=rest)
        if fitting:
            room[splits[name]] -= sizes[name]
    for split in (*shares, rest):
        held = Counter(splits.values())
        movable = [name for name in order if held[splits[name]] > 1]
        if not held[split] and movable:
            splits[min(movable, key=sizes.__getitem__)] = split
    return splits


def _draw(name: str) -> float:
    return share_of(f"{DRAW} {name}")


def _drawn(name: str, shares: Mapping[str, float], rest: str) -> str:
    share = _draw(name)
    for split, width in shares.items():
        if share < width:
            return split
        share -= width
    return rest
