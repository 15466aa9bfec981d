"""Filter rule glued_words: text that has lost spaces, as text from PDF and OCR does.

Glued is a word of letters alone that occurs once in its document, that the dictionary does not have, and that falls
into two words which it has (or which are stop words, where a half is short); and one that is longer than words of the
language are. What is natural and looks like it, compounds and inflections that the dictionary lacks, mostly comes again
in a document; what lost a space does not."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from common.errors import UserError
from common.manifest import installed
from conf.schema.language import LanguageConfig
from conf.schema.ranges import Count, Positive, Share
from conf.schema.root import Config
from data_prep.filters.measures.shares import share, total_in
from data_prep.filters.rule import Rule, Test
from data_prep.morphology.dictionary import HashSet, has_dictionary, word_hashes_of
from data_prep.records.record import Record
from data_prep.text.batch import Batch, hash_words
from data_prep.text.characters import LETTER
from data_prep.text.hashing import mix

SHORTEST = 2
"""Letters of a half; shorter stop words (Turkish o, Polish i, w, z) are endings and beginnings of too many words."""


@dataclass
class GluedWordsSettings:
    """Settings of the rule glued_words: text that lost spaces. The measures are in docs/filters.md."""

    max_share: Share = 1.0
    """Share of glued words among the words of letters, at most; 1: the rule lets everything pass and needs no
    dictionary."""
    longest: Positive = 30
    """A word of more letters counts as glued."""
    min_half: Positive = 4
    """Letters of a word of the dictionary that can be half of a glued one; shorter halves must be stop words."""
    no_halves: list[str] = field(default_factory=list)
    """Words (lower case) that are none: the dictionary has them, and in text they are beginnings or endings of longer
    words."""
    min_words: Count = 50
    """Documents with fewer words of letters are not judged."""
    min_found: Count = 3
    """Documents with fewer glued words pass."""


class GluedWords(Rule):
    """Test glued_words/share; none where the profile has no bound."""

    name, version = "glued_words", 1
    Settings = GluedWordsSettings

    def __init__(self, profile: LanguageConfig, config: Config):
        super().__init__(profile, config)
        if not 2 * SHORTEST <= self.settings.longest <= 100:
            raise UserError(
                f"corpus.languages.{profile.code}.rules.glued_words.longest={self.settings.longest}: give a "
                "number of letters"
                " from 4 to 100"
            )
        self.on = self.settings.max_share < 1
        if self.on and not has_dictionary(profile.code):
            key = f"corpus.languages.{profile.code}.rules.glued_words.max_share"
            raise UserError(
                f"{key}={self.settings.max_share}: simplemma has no dictionary of {profile.name}; set it to 1, which"
                " is off"
            )

    @classmethod
    def inputs(cls, profile: LanguageConfig, config: Config) -> list[Any]:
        """The version of the dictionary."""
        return [installed("simplemma")]

    @cached_property
    def dictionary(self) -> HashSet:
        """The dictionary; loaded when the first document is judged."""
        return HashSet(word_hashes_of(self.profile))

    @cached_property
    def halves(self) -> HashSet:
        """Words that may be half of a glued word where it is long enough."""
        return HashSet(
            self.dictionary.hashes[~HashSet(self._hashes(self.settings.no_halves)).has(self.dictionary.hashes)]
        )

    @cached_property
    def short(self) -> HashSet:
        """Words that may be half of one in any length: stop words."""
        return HashSet(self._hashes(set(self.profile.stop_words) - set(self.settings.no_halves)))

    def _hashes(self, words: Iterable[str]) -> np.ndarray:
        return np.unique(hash_words(sorted(words), self.profile.casing))

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield one test."""
        if not self.on:
            return
        settings, words = self.settings, batch.words
        proper = _letters_alone(batch)
        counts = total_in(words, proper)
        is_glued = proper & (words.lengths > settings.longest)
        chosen = np.flatnonzero(
            proper & ~is_glued & alive[words.owners] & (words.lengths >= 2 * SHORTEST) & _once(batch)
        )
        chosen = chosen[~self.dictionary.has(batch.word_hashes[chosen])]
        is_glued[chosen] = self._falls_in_two(batch, chosen)
        glued = total_in(words, is_glued)
        shares = share(glued, counts)
        rejected = (counts >= settings.min_words) & (glued >= settings.min_found) & (shares > settings.max_share)
        yield Test(f"{self.name}/share", shares, rejected, f"share of glued words > {settings.max_share}", high=0.2)

    def _falls_in_two(self, batch: Batch, chosen: np.ndarray) -> np.ndarray:
        """[c] bool: whether a word of ``chosen`` [c], none longer than `longest`, is two known ones at some place."""
        starts, ends = batch.words.starts[chosen], batch.words.ends[chosen]
        lengths, falls = ends - starts, np.zeros(len(chosen), bool)
        for size in range(SHORTEST, int(lengths.max(initial=0)) - SHORTEST + 1):
            left = np.flatnonzero(~falls & (lengths - size >= SHORTEST))
            cut = starts[left] + size
            first = self._is_half(batch.lower_prefix.spans(starts[left], cut), np.full(len(left), size))
            left, cut = left[first], cut[first]
            falls[left] = self._is_half(batch.lower_prefix.spans(cut, ends[left]), lengths[left] - size)
        return falls

    def _is_half(self, hashes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """[k] bool: words of ``sizes`` [k] letters that may be half of a glued one."""
        is_half = self.short.has(hashes)
        long = np.flatnonzero(~is_half & (sizes >= self.settings.min_half))
        is_half[long] = self.halves.has(hashes[long])
        return is_half


def _letters_alone(batch: Batch) -> np.ndarray:
    """[words] bool: words of letters and nothing else."""
    sums = np.zeros(len(batch.flags) + 1, np.int32)
    np.cumsum((batch.flags & LETTER) != 0, out=sums[1:])
    return sums[batch.words.ends] - sums[batch.words.starts] == batch.words.lengths


def _once(batch: Batch) -> np.ndarray:
    """[words] bool: words that occur once in their document, whatever their case."""
    _, places, times = np.unique(batch.word_hashes ^ mix(batch.words.owners), return_inverse=True, return_counts=True)
    return times[places] == 1
