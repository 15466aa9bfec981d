"""The mean of curves whose points lie at other places."""

import numpy as np

from model.evaluation.statistics.band import band


def test_band_by_hand():
    """Curves over [0, 20] and [5, 25]: places 5, 10, 15, 20 are covered by both."""
    found = band(
        [(np.array([0, 10, 20]), np.array([0.0, 10.0, 0.0])), (np.array([5, 15, 25]), np.array([1.0, 3.0, 5.0]))]
    )
    np.testing.assert_allclose(found.x, [5, 10, 15, 20])
    np.testing.assert_allclose(found.low, [1, 2, 3, 0])
    np.testing.assert_allclose(found.high, [5, 10, 5, 4])
    np.testing.assert_allclose(found.mean, [3, 6, 4, 2])
