"""Filter rule c4: C4's rules on documents (Raffel et al. 2020, arXiv 1910.10683, section 2.2). Its rules on lines are
the cleaning step `c4_lines`."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from conf.schema.language import LanguageConfig
from conf.schema.ranges import Count
from conf.schema.root import Config
from data_prep.filters.measures.shares import MOST_CLOSING
from data_prep.filters.rule import Rule, Test
from data_prep.records.record import Record
from data_prep.text.batch import Batch, hash_words
from data_prep.text.characters import BREAK, DIGIT, SPACE, UPPER, lower

DOT = ord(".")
ORDINAL = 2
"""A full stop after a number of at most so many digits makes it an ordinal (5. Ceza Dairesi, 3. maja)."""


@dataclass
class C4Settings:
    """C4's rules (Raffel et al. 2020, arXiv 1910.10683, section 2.2), on documents; its rules on lines are the cleaning
    step c4_lines."""

    min_sentences: Count = 5
    """Fewer sentences are rejected."""
    reject: list[str] = field(default_factory=lambda: ["lorem ipsum", "{"])
    """Documents that hold one of these are rejected."""


class C4(Rule):
    """Rejects texts of few sentences, and those with marks of code or of filler text."""

    name, version = "c4", 1
    Settings = C4Settings

    def __init__(self, profile: LanguageConfig, config: Config):
        super().__init__(profile, config)
        self.phrases = [lower(phrase, profile.casing) for phrase in self.settings.reject]
        self.terminal, self.closing = profile.terminal_punctuation, profile.closing
        last_parts = sorted({word.rstrip(".").split(".")[-1] for word in profile.abbreviations})
        self.abbreviations = hash_words(last_parts, profile.casing)

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield two tests."""
        phrases = self._phrases(batch)
        yield Test("c4/phrase", phrases, phrases > 0, f"holds {' or '.join(map(repr, self.phrases))}", high=2)
        count = self.sentences(batch)
        yield Test(
            "c4/few_sentences",
            count,
            count < self.settings.min_sentences,
            f"sentences < {self.settings.min_sentences}",
            high=100,
        )

    def _phrases(self, batch: Batch) -> np.ndarray:
        """[n] how many different phrases each text holds, whatever its case."""
        whole = batch.lower.tobytes().decode(f"utf-32-{sys.byteorder[0]}e", "surrogatepass")
        count = np.zeros(len(batch), np.int64)
        for phrase in self.phrases:
            place = whole.find(phrase)
            while place >= 0:
                owner = np.searchsorted(batch.starts, place, "right") - 1
                count[owner] += 1
                place = whole.find(phrase, batch.starts[owner + 1])
        return count

    def sentences(self, batch: Batch) -> np.ndarray:
        """[n] sentences of each text: signs that end one, perhaps closing signs, then white space or the end. A full
        stop within a line after an abbreviation, an initial or a small number ends none."""
        sign = batch.is_any(self.terminal)
        last = np.flatnonzero(sign[:-1] & ~sign[1:])
        after = last + 1
        if self.closing:
            closing = batch.is_any(self.closing)
            passing = np.flatnonzero(closing[after])
            for _ in range(MOST_CLOSING):
                after[passing] += 1
                passing = passing[closing[after[passing]]]
        ended = (batch.flags[after] & SPACE) != 0
        last, after = last[ended], after[ended]
        real = ~self._within(batch, last) | ((batch.flags[after] & BREAK) != 0)
        return np.diff(np.searchsorted(last[real], batch.starts))

    def _within(self, batch: Batch, places: np.ndarray) -> np.ndarray:
        """[k] bool: signs that are a lone full stop after a word that takes one within a sentence."""
        words, inside = batch.words, np.zeros(len(places), bool)
        if not len(words):
            return inside
        word = np.minimum(np.searchsorted(words.ends, places), len(words) - 1)
        candidates = np.flatnonzero((batch.codes[places] == DOT) & (words.ends[word] == places))
        word = word[candidates]
        first, size = batch.flags[words.starts[word]], words.lengths[word]
        initial = (size == 1) & ((first & UPPER) != 0)
        ordinal = (size <= ORDINAL) & ((first & DIGIT) != 0) & ((batch.flags[words.ends[word] - 1] & DIGIT) != 0)
        inside[candidates] = initial | ordinal | np.isin(batch.word_hashes[word], self.abbreviations)
        return inside
