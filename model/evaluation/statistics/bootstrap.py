"""Bootstrap over queries (Efron and Tibshirani 1993, chapter 13; percentile interval)."""

from dataclasses import dataclass

import numpy as np

RESAMPLES_AT_ONCE = 100


@dataclass
class Interval:
    """A mean over queries, with the bounds of its 95% interval. ``f"{interval:+.3f}"`` formats the three numbers."""

    mean: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def resampled_means(values: np.ndarray, resamples: int, seed: int = 0) -> np.ndarray:
    """Means [..., resamples] of ``values`` [..., Q] over queries drawn with replacement, the same ones for every
    row."""
    generator = np.random.default_rng(seed)
    queries, means = values.shape[-1], []
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        drawn = generator.integers(queries, size=(min(RESAMPLES_AT_ONCE, resamples - start), queries))
        means.append(values[..., drawn].mean(-1))
    return np.concatenate(means, axis=-1)


def bootstrap_mean(values: np.ndarray, resamples: int, seed: int = 0) -> Interval:
    """Mean of ``values`` [Q]. Queries are drawn, documents stay as they are: the interval covers other queries, not
    other corpora, training seeds or splits."""
    low, high = np.percentile(resampled_means(values, resamples, seed), [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def paired_bootstrap(system: np.ndarray, baseline: np.ndarray, resamples: int, seed: int = 0) -> Interval:
    """Mean difference of ``system`` and ``baseline`` [Q], values of one metric for the same queries in the same
    order."""
    return bootstrap_mean(system - baseline, resamples, seed)
