"""Equal within fp32."""

import numpy as np
import pytest

from common.numbers import same


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1e-5, 9.999999747378752e-06, True),
        (1e-6, float(np.float32(1e-6)), True),
        (1e-5, 1.00001e-5, False),
        (10_000, 10_000.0, True),
        (1_000_000, 1_000_001, False),
        (16_777_216, 16_777_217, False),
        (1e300, 1e299, False),
        (True, 1, False),
        (True, True, True),
        (None, 0, False),
        (None, None, True),
        ("1", 1, False),
        ([1e-5, 2], (9.999999747378752e-06, 2.0), True),
        ([1], [1, 2], False),
        ({"a": {"b": 1e-5}}, {"a": {"b": 9.999999747378752e-06}}, True),
        ({"a": 1}, {"b": 1}, False),
        (float("nan"), 1.0, False),
    ],
)
def test_numbers_are_compared_as_nets_hold_them(one, other, equal):
    assert same(one, other) is same(other, one) is equal
