"""Figures and samples of clusters of duplicates, for the funnel report."""

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np

CONTEXT = 3
"""Words shown before and after a difference."""
WORDS = 5000
"""Words of a text that are compared."""


def sizes(firsts: np.ndarray) -> dict[str, Any]:
    """Documents, clusters of two or more, documents that go, and the histogram of cluster sizes by powers of two.

    ``firsts`` [n] (int64): the document that each repeats, itself where it is kept."""
    counts = np.bincount(firsts, minlength=1)
    counts = counts[counts > 1]
    powers = np.bincount(np.log2(counts).astype(np.int64)) if len(counts) else []
    histogram = {
        f"{1 << power}" if power < 1 else f"{1 << power}-{(2 << power) - 1}": int(n)
        for power, n in enumerate(powers)
        if n
    }
    return {
        "documents": len(firsts),
        "clusters": len(counts),
        "repeats": int((counts - 1).sum()),
        "histogram": histogram,
    }


def largest(firsts: np.ndarray, clusters: int, members: int) -> list[np.ndarray]:
    """The largest clusters (of two or more), largest first, of equally large ones the first: their first member and
    ``members`` others at even distances, ascending."""
    counts = np.bincount(firsts, minlength=1)
    tops = np.argsort(-counts, kind="stable")[:clusters]
    tops = tops[counts[tops] > 1]
    members_of = [np.flatnonzero(firsts == top) for top in tops]
    return [
        numbers[np.unique(np.linspace(0, len(numbers) - 1, min(members + 1, len(numbers))).astype(np.int64))]
        for numbers in members_of
    ]


def samples(
    firsts: np.ndarray, text_of: Callable[[int], str], clusters: int = 5, members: int = 3
) -> list[dict[str, Any]]:
    """The largest clusters with texts: size, the first member's number and text, and of some others the number and what
    differs.

    ``text_of`` gives the text of a document number; it is called for the members shown alone."""
    counts = np.bincount(firsts, minlength=1)
    shown = []
    for numbers in largest(firsts, clusters, members):
        first, *others = (int(number) for number in numbers)
        text = text_of(first)
        compared = [{"document": number, "differences": differences(text, text_of(number))} for number in others]
        shown.append({"size": int(counts[first]), "document": first, "text": text, "others": compared})
    return shown


def differences(first: str, second: str, limit: int = 10) -> list[dict[str, str]]:
    """The first ``limit`` places where two texts differ, as words of each with a few common words around them."""
    a, b = first.split()[:WORDS], second.split()[:WORDS]
    changes = [codes for codes in SequenceMatcher(None, a, b, autojunk=False).get_opcodes() if codes[0] != "equal"]
    return [{"first": _shown(a, *codes[1:3]), "second": _shown(b, *codes[3:5])} for codes in changes[:limit]]


def _shown(words: Sequence[str], start: int, end: int) -> str:
    before, after = words[max(start - CONTEXT, 0) : start], words[end : end + CONTEXT]
    return " ".join([*before, "[", *words[start:end], "]", *after])
