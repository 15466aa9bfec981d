"""Vocabulary of a language: words, their beginnings and endings, which endings follow each other, learnt from good
text.

Everything is a hash. A table of 2**24 bytes says how frequent what has this hash is; two things with one place in it
count as one, which takes a few of a hundred unknown words for known, the same few always."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data_prep.quality.features.char_index import CharIndex
from data_prep.text.hashing import BASE

BITS = 24
BEGINNING, ENDING = 5, 3
BANDS = (100, 1000, 10_000)
"""Ranks up to which a word counts as very frequent, frequent, common; the other known words are rare."""
MIN_COUNT = 2
KINDS = ("words", "beginnings", "endings", "pairs")
Counts = dict[str, tuple[np.ndarray, np.ndarray]]
"""Of each kind: distinct hashes, ascending, and how often each occurs."""


@dataclass(frozen=True)
class Keys:
    """Hashes of the words of a batch."""

    words: np.ndarray
    """[k] uint64: of each word in lower case."""
    endings: np.ndarray
    """[k] of its last letters."""
    pairs: np.ndarray
    """[k] of its ending and that of the word before; words with a digit have one ending."""
    paired: np.ndarray
    """[k] bool: a word of the same text stands before it."""


def keys(chars: CharIndex) -> Keys:
    """The hashes of all words; each kind has hashes of its own."""
    batch, words, prefix = chars.batch, chars.batch.words, chars.batch.lower_prefix
    ends = prefix.spans(np.maximum(words.starts, words.ends - ENDING), words.ends)
    tails = np.where(chars.in_words["digits"] == 0, ends, np.uint64(1))
    pairs, paired = np.zeros_like(tails), np.zeros(len(words), bool)
    pairs[1:] = tails[:-1] * BASE + tails[1:]
    paired[1:] = words.owners[1:] == words.owners[:-1]
    return Keys(batch.word_hashes, ~ends, pairs, paired)


def beginnings(chars: CharIndex, chosen: np.ndarray) -> np.ndarray:
    """[c] uint64: hashes of the first letters of the chosen words."""
    starts, ends = chars.batch.words.starts[chosen], chars.batch.words.ends[chosen]
    return chars.batch.lower_prefix.spans(starts, np.minimum(ends, starts + BEGINNING)) ^ BASE


def count(chars: CharIndex) -> Counts:
    """Count how often everything occurs in a batch."""
    word_keys, plain = keys(chars), chars.in_words["digits"] == 0
    hashes = {
        "words": word_keys.words[plain],
        "beginnings": beginnings(chars, plain),
        "endings": word_keys.endings[plain],
        "pairs": word_keys.pairs[word_keys.paired],
    }
    return {name: np.unique(some, return_counts=True) for name, some in hashes.items()}


def add(parts: Iterable[Counts]) -> Counts:
    """The sum of several counts."""
    parts = list(parts)
    total = {}
    for name in KINDS:
        hashes, where = np.unique(np.concatenate([part[name][0] for part in parts]), return_inverse=True)
        numbers = np.concatenate([part[name][1] for part in parts])
        total[name] = hashes, np.bincount(where, numbers, len(hashes)).astype(np.int64)
    return total


@dataclass(frozen=True)
class Vocabulary:
    """Vocabulary of what occurred at least twice in good text."""

    entries: np.ndarray
    """uint32, ascending: place in the table and, in the low byte, how frequent: 1 rare to 4 very frequent."""

    @classmethod
    def of(cls, counts: Counts) -> "Vocabulary":
        """Make it from counts of good text."""
        entries = []
        for name in KINDS:
            hashes, numbers = counts[name]
            kept = numbers >= MIN_COUNT
            hashes, numbers = hashes[kept], numbers[kept]
            bands = np.ones(len(hashes), np.uint32)
            if name == "words":
                order = np.lexsort((hashes, -numbers))
                for band in BANDS:
                    bands[order[:band]] += np.uint32(1)
            entries.append((hashes >> np.uint64(64 - BITS)).astype(np.uint32) << np.uint32(8) | bands)
        return cls(np.unique(np.concatenate(entries)))

    @cached_property
    def table(self) -> np.ndarray:
        """[2**BITS] uint8: 0 unknown, else how frequent."""
        table = np.zeros(1 << BITS, np.uint8)
        table[self.entries >> np.uint32(8)] = (self.entries & np.uint32(255)).astype(np.uint8)
        return table

    def look_up(self, hashes: np.ndarray) -> np.ndarray:
        """[k] uint8: 0 unknown, 1 rare to 4 very frequent."""
        return self.table[hashes >> np.uint64(64 - BITS)]
