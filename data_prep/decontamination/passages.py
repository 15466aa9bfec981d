"""Passages of evaluation text, cut out of a text with the sentences and lines that hold them."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

from conf.schema.language import LanguageConfig
from data_prep.text.characters import lower


def cut(text: str, passages: Iterable[tuple[int, int]], language: LanguageConfig) -> str:
    """``text`` without every sentence (within its line) that ``passages``, pairs of first and one past the last
    character, touch."""
    borders = sentence_borders(text, language)
    gone: list[list[int]] = []
    for start, end in sorted(passages):
        start, end = borders[bisect_right(borders, start) - 1], borders[bisect_left(borders, end)]
        if gone and start <= gone[-1][1]:
            gone[-1][1] = max(gone[-1][1], end)
        else:
            gone.append([start, end])
    edges = [0, *(edge for pair in gone for edge in pair), len(text)]
    kept = "".join(text[start:end] for start, end in list(pairwise(edges))[::2])
    return kept.strip() if gone else text


def sentence_borders(text: str, language: LanguageConfig) -> list[int]:
    """Return where sentences begin, and the end of the text, ascending. A newline ends one; so do the signs of the
    profile that white space follows, but not the full stop of an abbreviation, of a number, or before a small
    letter."""
    borders = [0]
    for match in _end_of_sentence(language.terminal_punctuation, language.closing).finditer(text):
        if "\n" in match.group() or not _goes_on(text, match, language):
            borders.append(match.end())
    return borders if borders[-1] == len(text) and len(borders) > 1 else [*borders, len(text)]


def _goes_on(text: str, match: re.Match[str], language: LanguageConfig) -> bool:
    """Check whether the sentence does not end with the sign that ``match`` found."""
    if text[match.end() : match.end() + 1].islower():
        return True
    if match.group().rstrip() != ".":
        return False
    before = _LAST.search(text, max(match.start() - 40, 0), match.start())
    return bool(before) and (
        before.group().isdigit() or lower(before.group(), language.casing) in _set(tuple(language.abbreviations))
    )


_LAST = re.compile(r"[^\s(]+\Z")


@cache
def _set(words: Sequence[str]) -> frozenset[str]:
    return frozenset(words)


@cache
def _end_of_sentence(terminal: str, closing: str) -> re.Pattern[str]:
    if not terminal:
        return re.compile(r"\n+")
    signs, may_follow = f"[{re.escape(terminal)}]", f"[{re.escape(closing)}]*+" if closing else ""
    # From the first of a run of signs alone: from the others it would end no better, and a line of dots has thousands
    # of them.
    return re.compile(rf"(?<!{signs}){signs}++{may_follow}\s+|\n+")
