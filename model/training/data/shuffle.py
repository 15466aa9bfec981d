"""Pseudo-random orders that depend on nothing but their arguments: no library's generator, no process, no platform."""

import numpy as np

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
ORDER = 2  # salt: what the hash is for; those of the plan are 1 and 3


def mix(numbers: np.ndarray, *salt: int) -> np.ndarray:
    """Uniform 64-bit hashes [n] (uint64) of whole ``numbers`` [n]: SplitMix64's finaliser (Steele et al., OOPSLA 2014),
    once per salt."""
    hashed = numbers.astype(np.uint64)
    for number in (*salt, 0):
        # Arrays wrap around silently, which is meant; Python's numbers are cut to 64 bits first.
        hashed = hashed + np.uint64(((number & _MASK) * _GOLDEN + _GOLDEN) & _MASK)
        hashed = (hashed ^ (hashed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        hashed = (hashed ^ (hashed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        hashed = hashed ^ (hashed >> np.uint64(31))
    return hashed


def permutation(count: int, *salt: int) -> np.ndarray:
    """The numbers below ``count`` in an order [count] that ``salt`` decides."""
    return np.argsort(mix(np.arange(count), *salt), kind="stable")


def epoch_order(packs: int, seed: int, epoch: int) -> np.ndarray:
    """Order of the ``packs`` of a plan in one epoch of a run [packs]."""
    return permutation(packs, ORDER, seed, epoch)
