"""Paired bootstrap against scipy."""

import numpy as np
import pytest
import scipy.stats

from model.evaluation.statistics.bootstrap import paired_bootstrap


def test_interval_equals_scipy():
    rng = np.random.default_rng(0)
    baseline = rng.random(800)
    system = baseline + rng.normal(0.03, 0.2, 800)
    found = paired_bootstrap(system, baseline, 4000, seed=1)
    peer = scipy.stats.bootstrap(
        (system, baseline),
        lambda a, b, axis: (a - b).mean(axis),
        paired=True,
        vectorized=True,
        n_resamples=4000,
        method="percentile",
        rng=2,
    ).confidence_interval
    assert found.mean == pytest.approx((system - baseline).mean())
    assert found.low == pytest.approx(peer.low, abs=1e-3) and found.high == pytest.approx(peer.high, abs=1e-3)


def test_pairing_narrows_the_interval():
    """Systems that move together query by query are told apart where unpaired means would not be."""
    rng = np.random.default_rng(1)
    baseline = rng.random(500)
    found = paired_bootstrap(baseline + 0.01 + rng.normal(0, 0.01, 500), baseline, 500)
    assert 0.005 < found.low < found.high < 0.015


def test_seeded_and_written_plainly():
    system, baseline = np.random.default_rng(2).random((2, 100))
    assert paired_bootstrap(system, baseline, 250, 7) == paired_bootstrap(system, baseline, 250, 7)
    assert paired_bootstrap(system, baseline, 250, 7) != paired_bootstrap(system, baseline, 250, 8)
    assert f"{paired_bootstrap(system, system, 10):+.3f}" == "+0.000 [+0.000, +0.000]"
