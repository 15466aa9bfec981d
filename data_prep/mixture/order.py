"""A pseudo-random order that can be entered anywhere and costs no memory: a Feistel network with cycle walking.

A Feistel network of four rounds (here six) whose round function is a good hash is a permutation of [0, 4^h) that cannot
be told from a random one (Luby and Rackoff, SIAM J. Comput. 17(2), 1988); applied again to what falls outside of [0, n)
it permutes [0, n) (Black and Rogaway, CT-RSA 2002). No library's generator takes part, so the order is the same on
every platform and in every version."""

import hashlib

import numpy as np

from data_prep.text.hashing import mix

ROUNDS = 6


def key_of(*parts: object) -> int:
    """64 bits that depend on all ``parts``."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "little")


def permuted(first: int, end: int, count: int, key: int) -> np.ndarray:
    """Members ``first`` to ``end`` of the order of the numbers below ``count`` that ``key`` decides [end - first]
    (int64)."""
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    keys = mix(np.arange(ROUNDS, dtype=np.uint64) + np.uint64(key & 0xFFFFFFFFFFFF0000))
    keys ^= np.uint64(key)
    members = _network(np.arange(first, end, dtype=np.uint64), half, keys)
    outside = np.flatnonzero(members >= count)
    while len(outside):
        members[outside] = _network(members[outside], half, keys)
        outside = outside[members[outside] >= count]
    return members.astype(np.int64)


def _network(values: np.ndarray, half: int, keys: np.ndarray) -> np.ndarray:
    low = np.uint64((1 << half) - 1)
    left, right = values >> np.uint64(half), values & low
    for key in keys:
        left, right = right, left ^ (mix(right ^ key) & low)
    return (left << np.uint64(half)) | right
