"""Whole numbers keep their digits, whatever their size; all else is as orjson reads it."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.reading.exact import dumps_line, loads

NUMBERS = st.one_of(st.integers(-(2**200), 2**200), st.floats(allow_nan=False, allow_infinity=False))
TEXTS = st.text(st.characters(codec="utf-8"))
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(LEAVES, lambda inside: st.lists(inside) | st.dictionaries(TEXTS, inside), max_leaves=8)


@given(VALUES)
def test_values_come_back_as_they_were(value):
    line = dumps_line(value)
    assert line.endswith(b"\n") and loads(line) == value == json.loads(line) and loads(line.decode()) == value


@pytest.mark.parametrize(
    "number", [2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**64 + 1, -(2**63), -(2**63) - 1, 10**30 + 1, -(10**300) - 1]
)
def test_numbers_beyond_64_bits(number):
    line = b'{"a": [{"id": %d}], "b": 1.5}' % number
    assert (
        loads(line) == {"a": [{"id": number}], "b": 1.5} and dumps_line(loads(line)) == line.replace(b" ", b"") + b"\n"
    )


def test_what_orjson_writes_is_not_changed():
    record = {"a": "ğ\u2028", "b": [1.0, 1e22, None], "c": {"d": 2**64 - 1}}
    assert dumps_line(record) == orjson.dumps(record) + b"\n"


@pytest.mark.parametrize(
    "text", [b"[" * 1000 + b"9" * 30 + b"]" * 1000, b"9" * 5000, b"[1" + b"0" * 400 + b"]", b"{", b'"\\ud83d"']
)
def test_what_is_none_raises_a_value_error(text):
    with pytest.raises(ValueError):
        loads(text)
