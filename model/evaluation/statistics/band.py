"""The mean of curves whose points lie at other places, and the range that they fill."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Band:
    """Curves of a group as one: the mean at each place, and the lowest and highest of them."""

    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def band(curves: list[tuple[np.ndarray, np.ndarray]]) -> Band:
    """The mean of ``curves`` (x ascending, y), and the range that they fill.

    Checkpoints of two seeds need not lie at quite the same place: each curve is interpolated linearly at the places of
    all, within the stretch that all of them cover."""
    first, last = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    places = np.unique(np.concatenate([x for x, _ in curves]))
    places = places[(first <= places) & (places <= last)]
    values = np.stack([np.interp(places, x, y) for x, y in curves])
    return Band(places, values.mean(0), values.min(0), values.max(0))
