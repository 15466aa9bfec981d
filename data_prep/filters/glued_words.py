"""Filter rule glued_words: text that has lost spaces, as text from PDF and OCR does.

Glued is a word of letters alone that occurs once in its document, that the dictionary does not have, and that falls
into two words which it has (or which are stop words, where a half is short); and one that is longer than words of the
language are. What is natural and looks like it, compounds and inflections that the dictionary lacks, mostly comes again
in a document; what lost a space does not."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np

from common.errors import UserError
from conf.schema.language import LanguageConfig
from data_prep.filters.measures.shares import share, total_in
from data_prep.filters.rule import Test
from data_prep.morphology.dictionary import HashSet, has_dictionary, word_hashes_of
from data_prep.records.record import Record
from data_prep.text.batch import Batch, hash_words
from data_prep.text.characters import LETTER
from data_prep.text.hashing import mix

SHORTEST = 2
"""Letters of a half; shorter stop words (Turkish o, Polish i, w, z) are endings and beginnings of too many words."""


class GluedWords:
    """Test glued_words/share; none where the profile has no bound."""

    name = "glued_words"

    def __init__(self, profile: LanguageConfig):
        self.rules = profile.glued_words
        if not 2 * SHORTEST <= self.rules.longest <= 100:
            raise UserError(
                f"corpus.languages.{profile.code}.glued_words.longest={self.rules.longest}: give a number of letters"
                " from 4 to 100"
            )
        self.on = self.rules.max_share < 1
        if self.on and not has_dictionary(profile.code):
            key = f"corpus.languages.{profile.code}.glued_words.max_share"
            raise UserError(
                f"{key}={self.rules.max_share}: simplemma has no dictionary of {profile.name}; set it to 1, which"
                " is off"
            )
        self.profile = profile

    @cached_property
    def known(self) -> HashSet:
        """The dictionary; loaded when the first document is judged."""
        return HashSet(word_hashes_of(self.profile))

    @cached_property
    def halves(self) -> HashSet:
        """Words that may be half of a glued word where it is long enough."""
        return HashSet(self.known.hashes[~HashSet(self._hashes(self.rules.no_halves)).has(self.known.hashes)])

    @cached_property
    def short(self) -> HashSet:
        """Words that may be half of one in any length: stop words."""
        return HashSet(self._hashes(set(self.profile.stop_words) - set(self.rules.no_halves)))

    def _hashes(self, words: Iterable[str]) -> np.ndarray:
        return np.unique(hash_words(sorted(words), self.profile.casing))

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield one test."""
        if not self.on:
            return
        rules, words = self.rules, batch.words
        proper = _letters_alone(batch)
        counts = total_in(words, proper)
        is_glued = proper & (words.lengths > rules.longest)
        chosen = np.flatnonzero(
            proper & ~is_glued & alive[words.owners] & (words.lengths >= 2 * SHORTEST) & _once(batch)
        )
        chosen = chosen[~self.known.has(batch.word_hashes[chosen])]
        is_glued[chosen] = self._falls_in_two(batch, chosen)
        glued = total_in(words, is_glued)
        shares = share(glued, counts)
        rejected = (counts >= rules.min_words) & (glued >= rules.min_found) & (shares > rules.max_share)
        yield Test(f"{self.name}/share", shares, rejected, f"share of glued words > {rules.max_share}", high=0.2)

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
        long = np.flatnonzero(~is_half & (sizes >= self.rules.min_half))
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
