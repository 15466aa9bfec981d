"""Filter rule gopher_quality: Gopher's quality rules (Rae et al. 2021, arXiv 2112.11446, appendix A.1), with the
constants and stop words of the language."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from conf.schema.language import LanguageConfig
from conf.schema.ranges import Count, Magnitude, Share
from conf.schema.root import Config
from data_prep.filters.measures.shares import ink, share, split_lines, total_in
from data_prep.filters.rule import Rule, Test
from data_prep.records.record import Record
from data_prep.text.batch import Batch, hash_words
from data_prep.text.characters import WORD

DOT, UNDERSCORE = ord("."), ord("_")


@dataclass
class GopherQualitySettings:
    """Gopher's quality rules (Rae et al. 2021, arXiv 2112.11446, appendix A.1)."""

    signs: str = ""
    """Characters that make no word by themselves; empty: all but letters and digits."""
    min_words: Count = 50
    """Fewer words are rejected."""
    max_words: Count = 100_000
    """More words are rejected."""
    min_mean_word: Magnitude = 3
    """Mean characters a word, at least."""
    max_mean_word: Magnitude = 10
    """Mean characters a word, at most."""
    max_symbols_per_word: Magnitude = 0.1
    """Signs # or ellipses a word, at most."""
    max_bullet_lines: Share = 0.9
    """Share of lines that begin with a bullet, at most."""
    max_ellipsis_lines: Share = 0.3
    """Share of lines that end with an ellipsis, at most."""
    min_alphabetic_words: Share = 0.8
    """Share of words with a letter, at least."""
    min_stop_words: Count = 2
    """Different stop words of the language, at least."""


class GopherQuality(Rule):
    """Rejects what does not look like prose: too short, odd words, symbols, bullets, no function words."""

    name, version = "gopher_quality", 1
    Settings = GopherQualitySettings

    def __init__(self, profile: LanguageConfig, config: Config):
        super().__init__(profile, config)
        self.stop_words = np.sort(hash_words(sorted(set(profile.stop_words)), profile.casing))

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield ten tests."""
        settings, name = self.settings, self.name
        counted = self._counted(batch)
        words = total_in(batch.tokens, counted)
        yield Test(
            f"{name}/too_few_words", words, words < settings.min_words, f"words < {settings.min_words}", high=2000
        )
        yield Test(
            f"{name}/too_many_words",
            words,
            words > settings.max_words,
            f"words > {settings.max_words}",
            high=2 * settings.max_words,
        )

        mean = share(batch.tokens.total(np.where(counted, batch.tokens.lengths, 0)), words)
        limit = f"mean word length < {settings.min_mean_word}"
        yield Test(f"{name}/short_words", mean, mean < settings.min_mean_word, limit, high=15)
        limit = f"mean word length > {settings.max_mean_word}"
        yield Test(f"{name}/long_words", mean, mean > settings.max_mean_word, limit, high=15)

        hashes = share(_count(batch, "#"), batch.tokens.counts)
        limit = f"# a word > {settings.max_symbols_per_word}"
        yield Test(f"{name}/hashes", hashes, hashes > settings.max_symbols_per_word, limit)
        ellipses = share(_count(batch, "...") + _count(batch, "…"), batch.tokens.counts)
        limit = f"ellipses a word > {settings.max_symbols_per_word}"
        yield Test(f"{name}/ellipses", ellipses, ellipses > settings.max_symbols_per_word, limit)

        yield from self._line_tests(batch)

        alphabetic = share(batch.words.total(batch.word_has_letter), batch.tokens.counts)
        limit = f"words with a letter < {settings.min_alphabetic_words}"
        yield Test(f"{name}/few_letters", alphabetic, alphabetic < settings.min_alphabetic_words, limit)

        stop_words = self._stop_words(batch)
        yield Test(
            f"{name}/stop_words",
            stop_words,
            stop_words < settings.min_stop_words,
            f"different stop words < {settings.min_stop_words}",
            high=50,
        )

    def _counted(self, batch: Batch) -> np.ndarray:
        """[tokens] bool: those that are words, as one of their characters is not among the signs."""
        signs = self.settings.signs
        proper = ~batch.is_any(signs) if signs else ((batch.flags & WORD) != 0) & (batch.codes != UNDERSCORE)
        counted = proper[batch.tokens.starts]
        for index in np.flatnonzero(~counted & (batch.tokens.lengths > 1)):
            counted[index] = proper[batch.tokens.starts[index] : batch.tokens.ends[index]].any()
        return counted

    def _line_tests(self, batch: Batch) -> Iterator[Test]:
        lines = split_lines(batch)
        starts, ends = ink(batch, lines)
        full = ends > starts
        bullets = share(total_in(lines, full & batch.is_any("•-")[starts]), lines.counts)
        limit = f"lines with a bullet > {self.settings.max_bullet_lines}"
        yield Test(f"{self.name}/bullets", bullets, bullets > self.settings.max_bullet_lines, limit)

        codes = batch.codes
        dots = (ends - starts >= 3) & (codes[ends - 1] == DOT)
        dots[dots] = (codes[ends[dots] - 2] == DOT) & (codes[ends[dots] - 3] == DOT)
        cut = share(total_in(lines, dots | (full & (codes[ends - 1] == ord("…")))), lines.counts)
        limit = f"lines that end in an ellipsis > {self.settings.max_ellipsis_lines}"
        yield Test(f"{self.name}/ellipsis_lines", cut, cut > self.settings.max_ellipsis_lines, limit)

    def _stop_words(self, batch: Batch) -> np.ndarray:
        """[n] how many different stop words each text has."""
        if not len(self.stop_words):
            return np.zeros(len(batch), np.int64)
        kind = np.searchsorted(self.stop_words, batch.word_hashes)
        kind[kind == len(self.stop_words)] = 0
        hit = self.stop_words[kind] == batch.word_hashes
        seen = np.zeros((len(batch), len(self.stop_words)), bool)
        seen[batch.words.owners[hit], kind[hit]] = True
        return seen.sum(axis=1)


def _count(batch: Batch, sign: str) -> np.ndarray:
    return np.fromiter((text.count(sign) for text in batch.texts), np.int64, len(batch))
