"""Hashes of many spans of one array at once: a polynomial over the ring of 64-bit integers, from prefix sums.

The hash of ``v[s:e]`` is the sum of ``mix(v[i]) * B**(i - s)``, so one cumulative sum serves every span of every
length; equal spans have equal hashes wherever they lie. It is no defence against texts made to collide."""

from functools import cache

import numpy as np

BASE = np.uint64(0x9E3779B97F4A7C15)
INVERSE = np.uint64(pow(int(BASE), -1, 1 << 64))
_A, _B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_HALF, _LESS = np.uint64(31), np.uint64(29)


def mix(values: np.ndarray) -> np.ndarray:
    """Scatter integers [m] over 64 bits (the finaliser of splitmix64): neighbours in, strangers out."""
    mixed = values.astype(np.uint64) + BASE
    mixed = (mixed ^ (mixed >> _HALF)) * _A
    mixed = (mixed ^ (mixed >> _LESS)) * _B
    return mixed ^ (mixed >> _HALF)


@cache
def _powers(base: int, size: int) -> np.ndarray:
    values = np.full(size, base, np.uint64)
    values[0] = 1
    return np.cumprod(values)


def powers(base: np.uint64, count: int) -> np.ndarray:
    """``base ** 0 .. count - 1`` modulo 2**64."""
    return _powers(int(base), 1 << max(16, (count - 1).bit_length()))[:count]


class Prefix:
    """Prefix sums of an array [m], ready to hash its spans."""

    def __init__(self, values: np.ndarray):
        terms = values.astype(np.uint64)
        terms += np.uint64(1)  # a zero must count
        terms *= _A
        terms *= powers(BASE, len(terms)) if len(terms) else np.uint64(1)
        self.sums = np.zeros(len(terms) + 1, np.uint64)
        np.cumsum(terms, out=self.sums[1:])

    def spans(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """[k] uint64: hashes of the spans ``starts[i]`` to ``ends[i]`` (exclusive); 0 stands for an empty one before
        mixing."""
        inverse = powers(INVERSE, len(self.sums))
        return mix((self.sums[ends] - self.sums[starts]) * inverse[starts])


def runs(hashes: np.ndarray, length: int) -> np.ndarray:
    """[m - length + 1] uint64: hashes of all runs of ``length`` neighbours of ``hashes`` [m]."""
    count = len(hashes) - length + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    total = hashes[:count].copy()
    for place in range(1, length):
        total = total * BASE + hashes[place : place + count]
    return total
