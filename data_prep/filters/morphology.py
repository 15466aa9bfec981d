"""Filter rule morphology: text that is not inflected as running text of its language is, or has too few different
words.

Both measures are taken over windows of a fixed number of words (they depend on length) and averaged over the windows of
a document:
- suffix entropy: H / log n, with H the Shannon entropy of the suffix classes of the n words of a window. No suffix is a
  class, and so is
  not being known: foreign text, lists of names and keyword spam, which have few suffixes, come out low. log n is the
  largest H possible.
- lemma diversity: distinct lemmas for an analysed word (1 where no word is known; such a window has no entropy). The
  names and the thresholds .75 and .5 are Mecellem's (arXiv 2601.16018), whose formulas are not public; these are
  ours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.manifest import installed
from conf.schema.language import LanguageConfig
from conf.schema.ranges import Count, Positive, Share
from conf.schema.root import Config
from data_prep.filters.rule import Rule, Test
from data_prep.morphology.analysers import make_analyser
from data_prep.morphology.words import Words, WordTable
from data_prep.records.record import Record
from data_prep.text.batch import Batch

_HASH_BITS = np.uint64(40)


@dataclass
class MorphologySettings:
    """Thresholds. The paper rejects below .75 and .5; its formulas are not public, ours and the reasons are in
    docs/corpus.md."""

    min_suffix_entropy: Share = 0.3
    """Normalised entropy of the suffix classes of a window, at least, in the mean of the windows. 0 switches the test
    off."""
    min_lemma_diversity: Share = 0.5
    """Distinct lemmas for an analysed word of a window, at least, in the mean of the windows. 0 switches the test
    off."""
    window: Positive = 100
    """Words of a window: both measures depend on length, so they are taken over pieces of one length."""
    min_words: Count = 50
    """Documents with fewer words are not judged; a last window with fewer is left out."""
    cache: Positive = 524_288
    """Words whose analysis is kept (24 bytes each); one that is crowded out is analysed anew, so verdicts do not depend
    on it."""


class Morphology(Rule):
    """Tests morphology/suffix_entropy and morphology/lemma_diversity; none where the profile has no analyser."""

    name, version = "morphology", 1
    Settings = MorphologySettings

    def __init__(self, profile: LanguageConfig, config: Config):
        super().__init__(profile, config)
        off = profile.morphology.analyser == "none"
        self.table = None if off else WordTable(make_analyser(profile), self.settings.cache)

    @classmethod
    def inputs(cls, profile: LanguageConfig, config: Config) -> list[Any]:
        """Versions of the packages that analyse."""
        return [[package, installed(package)] for package in ("simplemma", "zeyrek")]

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield two tests."""
        if self.table is None:
            return
        words = self.table.words(batch, alive)
        judged = np.bincount(words.owners, minlength=len(batch)) >= self.settings.min_words
        entropy, diversity = measure(words, len(batch), self.settings.window, self.settings.min_words)
        for reason, values, least in (
            ("suffix_entropy", entropy, self.settings.min_suffix_entropy),
            ("lemma_diversity", diversity, self.settings.min_lemma_diversity),
        ):
            yield Test(f"{self.name}/{reason}", values, judged & (values < least), f"{reason} < {least}")


def measure(words: Words, documents: int, window: int, min_words: int) -> tuple[np.ndarray, np.ndarray]:
    """[documents] float64 suffix entropy and lemma diversity, means over windows of ``window`` words; a last window of
    fewer than ``min_words`` words is left out where it is not the only one. 1 for a document without words."""
    counts = np.bincount(words.owners, minlength=documents)
    rank = np.arange(len(words.owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    rest = counts % window
    windows = counts // window + ((rest >= np.minimum(min_words, window)) | (counts < window)) * (rest > 0)
    first = np.cumsum(windows) - windows
    inside = rank < np.repeat(windows, counts) * window
    owner = np.repeat(first, counts)[inside] + rank[inside] // window
    total = int(windows.sum())
    size = np.bincount(owner, minlength=total)

    group, times = _tally(owner, words.suffixes[inside])
    share = times / size[group]
    entropy = np.bincount(group, -share * np.log(share), total) / np.log(np.maximum(size, 2))

    analysed_word = words.lemmas[inside] != 0
    analysed = np.bincount(owner[analysed_word], minlength=total)
    distinct = np.bincount(_tally(owner[analysed_word], words.lemmas[inside][analysed_word])[0], minlength=total)
    diversity = np.where(analysed > 0, distinct / np.maximum(analysed, 1), 1.0)

    document = np.repeat(np.arange(documents), windows)
    return tuple(
        np.where(windows > 0, np.bincount(document, values, documents) / np.maximum(windows, 1), 1.0)
        for values in (entropy, diversity)
    )


def _tally(owner: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[u] int64 owner of each distinct pair of owner and hash, and how often the pair occurs."""
    keys, times = np.unique(
        (owner.astype(np.uint64) << _HASH_BITS) | (hashes & ((np.uint64(1) << _HASH_BITS) - np.uint64(1))),
        return_counts=True,
    )
    return (keys >> _HASH_BITS).astype(np.int64), times
