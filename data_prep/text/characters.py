"""Character classes: what each code point is, as one table of flags, and how a language lowercases it."""

import sys
import unicodedata
from collections.abc import Mapping
from functools import cache

import numpy as np

SPACE, WORD, LETTER, DIGIT, UPPER, MARK, BREAK = (1 << bit for bit in range(7))
"""White space (`str.isspace`); part of a word (`\\w`); letter (`str.isalpha`); digit (`str.isdigit`); upper case;
combining mark or control character; end of a line for `str.splitlines`."""
PLANES = 0x20000
"""Code points from here on (rare ideographs, tags) are looked up as one of them, an ideograph."""
_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def _flags(character: str) -> int:
    return (
        SPACE * character.isspace()
        | WORD * (character.isalnum() or character == "_")
        | LETTER * character.isalpha()
        | DIGIT * character.isdigit()
        | UPPER * character.isupper()
        | MARK * (unicodedata.category(character) in ("Mn", "Mc", "Me", "Cc", "Cf"))
        | BREAK * (character in _BREAKS)
    )


@cache
def table() -> np.ndarray:
    """[PLANES] uint8: the flags of every code point."""
    return np.array([_flags(chr(code)) for code in (*range(PLANES - 1), PLANES)], np.uint8)


def look_up(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """``values[codes]`` for a table of PLANES entries and code points [m]."""
    return values.take(codes, mode="clip")


def code_points(text: str) -> np.ndarray:
    """[m] uint32: the code points of a text. Lone surrogates stay what they are."""
    return np.frombuffer(
        text.encode(f"utf-32-{'le' if sys.byteorder == 'little' else 'be'}", "surrogatepass"), np.uint32
    )


@cache
def _lower(exceptions: tuple[tuple[str, str], ...]) -> np.ndarray:
    codes = [ord(low) if len(low := chr(code).lower()) == 1 else code for code in range(PLANES)]
    for upper, lower in exceptions:
        codes[ord(upper)] = ord(lower)
    return np.array(codes, np.uint32)


def lowercase(codes: np.ndarray, exceptions: Mapping[str, str]) -> np.ndarray:
    """Code points [m] in lower case, one for one; ``exceptions`` of the language (Turkish: I to dotless i) come before
    Unicode's rule."""
    lowered = look_up(_lower(tuple(sorted(exceptions.items()))), codes)
    return np.where(codes < PLANES, lowered, codes) if codes.size and codes.max() >= PLANES else lowered


def lower(text: str, exceptions: Mapping[str, str]) -> str:
    """A text in lower case by the rules of its language, as `lowercase` does it."""
    for upper, lowered in exceptions.items():
        text = text.replace(upper, lowered)
    return text.lower()
