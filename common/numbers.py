"""Numbers as nets hold them."""

from ctypes import c_float
from typing import Any

FP32_MAX = 3.4e38
"""Beyond, fp32 knows infinity alone."""


def same(first: Any, other: Any) -> bool:
    """Check whether two plain values (None, text, numbers, lists and dictionaries of these) are equal, fractions within
    fp32.

    Files of others hold 1e-5 as 9.999999747378752e-06. Whole numbers are equal only to themselves."""
    if isinstance(first, dict) and isinstance(other, dict):
        return first.keys() == other.keys() and all(same(first[key], other[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(other, list | tuple):
        return len(first) == len(other) and all(map(same, first, other))
    if _is_number(first) and _is_number(other) and (isinstance(first, float) or isinstance(other, float)):
        return first == other or (abs(first) < FP32_MAX and c_float(first).value == c_float(other).value)
    return (
        type(first) is type(other) and first == other
        if isinstance(first, bool) or isinstance(other, bool)
        else first == other
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
