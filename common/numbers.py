"""Numbers as nets hold them."""

from ctypes import c_float
from typing import Any

FP32_MAX = 3.4e38
"""Beyond, fp32 knows infinity alone."""


def same(one: Any, other: Any) -> bool:
    """Whether two plain values (None, text, numbers, lists and dictionaries of these) are equal, fractions within fp32.

    Files of others hold 1e-5 as 9.999999747378752e-06. Whole numbers are equal only to themselves."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if _is_number(one) and _is_number(other) and (isinstance(one, float) or isinstance(other, float)):
        return one == other or (abs(one) < FP32_MAX and c_float(one).value == c_float(other).value)
    return (
        type(one) is type(other) and one == other if isinstance(one, bool) or isinstance(other, bool) else one == other
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
