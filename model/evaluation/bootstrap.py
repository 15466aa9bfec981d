"""Paired bootstrap over queries (Efron and Tibshirani 1993, chapter 13; percentile interval)."""

from dataclasses import dataclass

import numpy as np

RESAMPLES_AT_ONCE = 100


@dataclass
class Difference:
    """Mean difference of two systems on the same queries, with the bounds of its 95% interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def paired_bootstrap(system: np.ndarray, baseline: np.ndarray, resamples: int, seed: int = 0) -> Difference:
    """Difference of ``system`` and ``baseline`` [Q], values of one metric for the same queries in the same order.

    Queries are drawn with replacement, documents stay as they are: the interval covers other queries, not other corpora,
    training seeds or splits.
    """
    difference = system - baseline
    generator = np.random.default_rng(seed)
    means = []
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        drawn = generator.integers(len(difference), size=(min(RESAMPLES_AT_ONCE, resamples - start), len(difference)))
        means.append(difference[drawn].mean(1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Difference(float(difference.mean()), float(low), float(high))
