"""Bad text out of good text, of many kinds, lightly or heavily; the same for the same seed, text and kind.

A light degradation (MEDIUM) touches 5 to 20% of the words, signs, lines or sentences it is about, a heavy one (LOW) 40
to 90%."""

import random
from collections.abc import Callable

from data_prep.quality.degrade import characters, lines, words

KINDS: dict[str, Callable[[str, random.Random, float], str]] = {
    "ocr": characters.ocr,
    "diacritics": characters.diacritics,
    "casing": characters.casing,
    "punctuation": characters.punctuation,
    "joined_words": characters.joined,
    "gibberish": characters.gibberish,
    "shuffled_words": words.shuffled_words,
    "dropped_words": words.dropped_words,
    "stutter": words.stutter,
    "snippets": words.snippets,
    "menus": lines.menus,
    "repeated_lines": lines.repeated_lines,
    "tables": lines.tables,
    "mojibake": characters.mojibake,
    "split_words": characters.split,
    "keyword_spam": words.keyword_spam,
    "markup": lines.markup,
    "hyphenated": lines.hyphenated,
    "lists": lines.lists,
    "shuffled_sentences": words.shuffled_sentences,
}
"""Kind -> what makes it."""
LOW, MEDIUM, HIGH = "LOW", "MEDIUM", "HIGH"
STRENGTHS = {MEDIUM: (0.05, 0.2), LOW: (0.4, 0.9)}


def degrade(text: str, kind: str, label: str, seed: str) -> str:
    """``text`` with a degradation of ``kind``, light for the label MEDIUM and heavy for LOW."""
    draw = random.Random(f"{seed}/{kind}/{label}")
    return KINDS[kind](text, draw, draw.uniform(*STRENGTHS[label]))
