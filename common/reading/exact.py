"""JSON whose whole numbers keep their digits: orjson, which is fast, reads those beyond 64 bits as floats, and does not
write them."""

import json
from typing import Any

import orjson

FIRST_ROUNDED = 2.0**63
"""Smallest size of a number that orjson may have read as a float though it was written as a whole number."""


def loads(line: bytes | str) -> Any:
    """The value of a JSON text. Raises ValueError where it is none."""
    value = orjson.loads(line)
    if not _maybe_rounded(value):
        return value
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def dumps_line(value: Any) -> bytes:
    """A value as one line of JSON in UTF-8, newline included; what JSON has no form for is written as its string.

    Raises ValueError for half a surrogate pair, which UTF-8 has not."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        return f"{text}\n".encode()


def _maybe_rounded(value: Any) -> bool:
    """Check whether a value holds a float that may have been a whole number beyond 64 bits. Asked of every line, so it
    is quick."""
    left: list[Any] = [[value]]
    for holder in left:  # which grows meanwhile; no recursion, since values nest as deep as orjson allows
        for part in holder.values() if type(holder) is dict else holder:
            kind = type(part)
            if kind is str or kind is int:
                continue
            if kind is dict or kind is list:
                left.append(part)
            elif kind is float and abs(part) >= FIRST_ROUNDED:
                return True
    return False
