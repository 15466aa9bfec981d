"""Rank statistics against scipy, lag and regret against examples done by hand."""

import numpy as np
import pytest
import scipy.stats

from model.evaluation.statistics.rank import correlation, kendall, lag, ranks, regret, spearman


@pytest.mark.parametrize("seed", range(5))
def test_ranks_and_correlations_equal_scipy_with_and_without_ties(seed):
    rng = np.random.default_rng(seed)
    for first, second in (rng.random((2, 9)), rng.integers(0, 4, (2, 30)).astype(float)):
        np.testing.assert_array_equal(ranks(first), scipy.stats.rankdata(first))
        assert spearman([(first, second)]) == pytest.approx(scipy.stats.spearmanr(first, second).statistic, abs=1e-12)
        assert kendall(first, second) == pytest.approx(scipy.stats.kendalltau(first, second).statistic, abs=1e-12)


def test_pooling_compares_within_runs_alone():
    """Two runs, each with rho -1; the second is better throughout in both, which alone would give a positive
    correlation."""
    losses, scores = np.array([5.0, 4.0, 3.0]), np.array([0.1, 0.2, 0.3])
    runs = [(losses, scores), (losses + 10, scores + 10)]
    assert scipy.stats.spearmanr(*(np.concatenate(side) for side in zip(*runs, strict=True))).statistic > 0.5
    assert spearman(runs) == pytest.approx(-1)
    # by hand: ranks centred are (1, 0, -1) twice against (-1, 0, 1) and (-1, 1, 0); -(2 + 1) / sqrt(4 * 4)
    assert spearman([runs[0], (losses, np.array([0.1, 0.3, 0.2]))]) == pytest.approx(-3 / 4)


def test_interval_of_a_correlation_equals_scipy():
    rng = np.random.default_rng(0)
    first = rng.random(40)
    second = first + rng.normal(0, 0.3, 40)
    found = correlation([(first, second)], 1500)
    peer = scipy.stats.bootstrap(
        (first, second), lambda a, b: scipy.stats.spearmanr(a, b).statistic, paired=True, vectorized=False,
        n_resamples=1500,
        method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert found.rho == spearman([(first, second)]) and found.checkpoints == 40
    assert found.low == pytest.approx(peer.low, abs=0.04) and found.high == pytest.approx(peer.high, abs=0.04)


def test_no_interval_or_no_correlation_where_there_is_none():
    rising = np.arange(4.0)
    assert correlation([(rising, np.ones(4))], 100) is None
    assert correlation([(rising[:3], rising[:3])], 100).low is None and correlation([(rising, rising)], 0).low is None
    assert correlation([(rising, -rising)], 100).high == pytest.approx(-1)
    assert np.isnan(kendall(rising, np.ones(4)))


def test_lag_by_hand():
    """Loss lowest at step 30; retrieval highest on average at step 20, on a third of the queries at step 10."""
    losses = np.array([4.0, 3.0, 2.0, 2.0])
    per_query = np.array([[0.9, 0.0, 0.0], [0.5, 0.6, 0.6], [0.4, 0.5, 0.5], [0.1, 0.1, 0.1]])
    found = lag([10, 20, 30, 40], [100, 210, 330, 460], losses, per_query, 2000)
    assert (found.loss_step, found.retrieval_step, found.steps, found.tokens) == (30, 20, -10, -120)
    # three draws of the first query (chance 1/27) put the maximum at step 10, so do two (6/27): 0.9 * 2 / 3 > (0.5 * 2
    # + 0.6) / 3
    assert (found.low, found.high) == (-20, -10)
    assert lag([10, 20], [1, 2], losses[:2], per_query[:2], 0).low is None


def test_regret_by_hand():
    full = np.array([0.20, 0.30, 0.27])
    assert regret(full, np.array([0.1, 0.2, 0.3])) == pytest.approx(0.03)
    assert regret(full, np.array([0.1, 0.3, 0.2])) == 0
    assert regret(full, np.array([0.3, 0.3, 0.3])) == pytest.approx(0.10), (
        "of equal ones the earliest, as the sweep chooses"
    )
