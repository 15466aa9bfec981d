"""Rank statistics over the checkpoints of runs: does the loss rank them as retrieval does, and would a shorter probe
have done so?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.evaluation.statistics.bootstrap import resampled_means

Pairs = Sequence[tuple[np.ndarray, np.ndarray]]
"""Two series a run, each [saves of that run]."""


@dataclass
class Correlation:
    """Spearman's rank correlation over checkpoints, with the bounds of its 95% interval (None without a bootstrap, or
    below 4 checkpoints)."""

    rho: float
    low: float | None
    high: float | None
    checkpoints: int


@dataclass
class Lag:
    """Where retrieval is best minus where the loss is lowest; positive where retrieval goes on rising after the loss
    has turned."""

    loss_step: int
    retrieval_step: int
    steps: int
    tokens: int
    low: int | None
    """Lower bound in steps of the 95% interval over queries, None without a bootstrap."""
    high: int | None


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks 1 to N of ``values`` [N]; equal ones share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def spearman(pairs: Pairs) -> float:
    """Spearman's rho of two series: the product-moment correlation of their ranks; nan where one of them does not vary.

    Of several runs it is pooled within runs: values are ranked in their own run, ranks centred on the mean of that run,
    so that a run which is better throughout adds nothing."""
    first, second = (np.concatenate([ranks(run[side]) - (len(run[side]) + 1) / 2 for run in pairs]) for side in (0, 1))
    scale = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / scale) if scale else float("nan")


def correlation(pairs: Pairs, resamples: int, seed: int = 0) -> Correlation | None:
    """`spearman` with a percentile interval from checkpoints drawn with replacement within each run; None where it is
    not defined.

    Checkpoints of a run follow one another and are no independent draws: the interval tells how much hangs on single
    checkpoints, not what other runs would give. Draws in which a series does not vary are left out. Of fewer than 4
    checkpoints an interval would mean nothing."""
    rho, checkpoints = spearman(pairs), sum(len(first) for first, _ in pairs)
    if np.isnan(rho):
        return None
    if not resamples or min(len(first) for first, _ in pairs) < 4:
        return Correlation(rho, None, None, checkpoints)
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        drawn = [generator.integers(len(first), size=len(first)) for first, _ in pairs]
        found.append(
            spearman([(first[rows], second[rows]) for (first, second), rows in zip(pairs, drawn, strict=True)])
        )
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return Correlation(rho, float(low), float(high), checkpoints)


def kendall(first: np.ndarray, second: np.ndarray) -> float:
    """Kendall's tau-b of two series [N]: pairs in the same order minus pairs in opposite order, as a share; nan where
    one does not vary."""
    orders = [np.sign(np.subtract.outer(values, values)) for values in (first, second)]
    scale = np.sqrt((orders[0] ** 2).sum() * (orders[1] ** 2).sum())
    return float((orders[0] * orders[1]).sum() / scale) if scale else float("nan")


def regret(full: np.ndarray, few: np.ndarray) -> float:
    """What choosing by ``few`` costs: the best value of ``full`` [saves] minus the value there of the checkpoint that
    is best by ``few``."""
    return float(full.max() - full[few.argmax()])


def lag(
    steps: Sequence[int],
    tokens: Sequence[int],
    losses: np.ndarray,
    per_query: np.ndarray,
    resamples: int,
    seed: int = 0,
) -> Lag:
    """Lag between the lowest of ``losses`` [saves] and the highest mean of ``per_query`` [saves, Q]; of equal ones the
    earlier checkpoint.

    The interval holds the middle 95% of where the maximum lies when queries are drawn with replacement.
    """
    lowest, highest = int(losses.argmin()), int(per_query.mean(1).argmax())
    low = high = None
    if resamples:
        peaks = resampled_means(per_query, resamples, seed).argmax(0)
        moved = np.array(steps)[peaks] - steps[lowest]
        low, high = (int(bound) for bound in np.percentile(moved, [2.5, 97.5], method="inverted_cdf"))
    return Lag(
        steps[lowest], steps[highest], steps[highest] - steps[lowest], tokens[highest] - tokens[lowest], low, high
    )
