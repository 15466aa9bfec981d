"""Added tokens that gigatoken finds in text just where `tokenizers` does.

gigatoken matches all of them in one pass over the text before its normalizer, whatever stands around them. `tokenizers`
has two passes: one over the text for tokens with ``normalized=false``, and one over what is left of it, normalised, for
the others; a special token that is spelled in the text is no token here, yet nothing else is found in it."""

import sys
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any

Added = dict[str, Any]
"""An entry of ``added_tokens`` in tokenizer.json."""


def unlike_gigatoken(added: Sequence[Added], normalizer: dict[str, Any] | None, native: bool) -> str | None:
    """Return why gigatoken would find other tokens than `tokenizers`; None where it finds the same.

    ``normalizer`` is that of tokenizer.json; ``native``: gigatoken applies it itself, else it has been applied to what
    it gets."""
    matched = [token for token in added if not token["special"]]
    for token in matched:
        name = repr(token["content"])
        if token["single_word"]:
            return f"its added token {name} is one of whole words (single_word)"
        if normalizer and not (
            native and normalizer["type"] == "NFC" and _untouched(token["content"], token["normalized"])
        ):
            return f"its added token {name} can be touched by the normalizer {normalizer['type']}"
        if (token["lstrip"] or token["rstrip"]) and any(
            other["content"].strip() != other["content"] for other in matched
        ):
            return f"its added token {name} takes white space with it, which another added token has too"
    for matched_token, other in product(matched, added):
        if _kind(matched_token) != _kind(other) and _overlap(matched_token["content"], other["content"]):
            return (
                f"its added tokens {matched_token['content']!r} and {other['content']!r} overlap and are matched "
                "one after the"
                " other"
            )
    return None


def _kind(token: Added) -> tuple[bool, bool]:
    return token["special"], token["normalized"]


def _overlap(first: str, other: str) -> bool:
    """Check whether a text can hold both in such a way that they share a character."""
    shorter = min(len(first), len(other))
    return (
        first in other
        or other in first
        or any(first[-n:] == other[:n] or other[-n:] == first[:n] for n in range(1, shorter))
    )


def _untouched(content: str, after: bool) -> bool:
    """Check whether NFC makes nothing else into ``content``, and (``after``: it is matched there) leaves it as it is in
    every text."""
    parts, made = _canonical()
    if set(content) & made or any(map(unicodedata.combining, content)):
        return False
    return not (after and {content[:1], content[-1:]} & parts)


@lru_cache(1)
def _canonical() -> tuple[frozenset[str], frozenset[str]]:
    """Characters that can be part of another one (a base, a mark), and those that NFC makes of others, or others of."""
    parts, made = set(), set()
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if (decomposed := unicodedata.normalize("NFD", character)) != character:
            parts.update(decomposed)
            made.update(character, unicodedata.normalize("NFC", character))
    return frozenset(parts), frozenset(made)
