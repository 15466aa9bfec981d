"""Index of evaluation texts: finds them in training data by runs of words in common (GPT-3, arXiv 2005.14165, appendix
C: runs of 13 words).

Case, white space and punctuation do not count. An evaluation text shorter than a run must occur whole; one of fewer
than `min_words` words is not looked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from common.errors import UserError
from common.reading.form import LIMIT
from conf.schema.duplicates import ContaminationConfig
from data_prep.decontamination.evaluation_texts import read_texts
from data_prep.text.batch import Batch
from data_prep.text.hashing import BASE

VERSION = 1
"""Raised by hand whenever the same text may have other hits, or be cut otherwise: documents are judged anew;
``tests/data_prep/versions`` holds it to that."""
SAMPLE = 300
TEXTS_AT_ONCE = 1000


@dataclass(frozen=True)
class Hits:
    """Places of runs of evaluation text in a batch."""

    owners: np.ndarray
    """[h] int64: document of each run."""
    starts: np.ndarray
    """[h] int64: its first character, as an index into `Batch.codes`."""
    ends: np.ndarray
    """[h] int64: one past its last character."""
    pairs: np.ndarray
    """[q, 2] int64: each document with each evaluation text that it shares a run with, ascending."""


class Index:
    """Hashes of the runs of evaluation texts, sorted, with the texts that hold each."""

    def __init__(
        self,
        hashes: np.ndarray,
        texts: np.ndarray,
        lengths: Sequence[int],
        places: Sequence[str],
        samples: Sequence[str],
        short: int,
    ):
        """``hashes`` [e] (uint64, ascending) and ``texts`` [e] (int64): one entry for each run and text; ``lengths``:
        words of a run; ``places`` and ``samples``: of each text that is looked for; ``short``: texts that are not."""
        self.entries, self.texts, self.lengths = hashes, texts, list(lengths)
        self.places, self.samples, self.short = list(places), list(samples), short
        bits = int(np.clip(np.ceil(np.log2(max(len(hashes), 1))) + 4, 12, 28))
        self.shift = np.uint64(64 - bits)
        self.filter = np.zeros(1 << bits, bool)  # one look decides for nearly all words of clean text
        self.filter[(hashes >> self.shift).astype(np.int64)] = True

    @classmethod
    def build(
        cls, config: ContaminationConfig, casings: Iterable[Mapping[str, str]], max_bytes: int | None = LIMIT
    ) -> "Index":
        """Read the evaluation texts. ``casings``: of the languages of the corpus (`LanguageConfig.casing`); texts are
        found in the lower case of any of them. Raises UserError as `read_texts` does, which is told of ``max_bytes``,
        and for bounds that cannot be meant."""
        if not 1 <= config.min_words <= config.words:
            raise UserError(
                f"corpus.contamination.min_words={config.min_words} is not from 1 to"
                f" corpus.contamination.words={config.words}"
            )
        variants = [dict(pairs) for pairs in sorted({tuple(sorted(casing.items())) for casing in casings} or {()})]
        places, samples, parts, lengths, short = [], [], [], set(), 0
        for chunk in _chunks(read_texts(config, max_bytes)):
            counts = Batch([text for _, text in chunk]).words.counts
            short += int((counts < config.min_words).sum())
            chunk = [pair for pair, count in zip(chunk, counts, strict=True) if count >= config.min_words]
            for casing in variants:
                for length, run_hashes, owners in _runs_of(Batch([text for _, text in chunk], casing), config.words):
                    lengths.add(length)
                    parts.append((run_hashes, owners + len(places)))
            places += [place for place, _ in chunk]
            samples += [text[:SAMPLE] for _, text in chunk]
        return cls(*_entries(parts), sorted(lengths), places, samples, short)

    def find(self, batch: Batch) -> Hits:
        """All runs of evaluation text in a batch."""
        words = batch.words
        firsts, lasts, ranks = [], [], []
        for length, run_hashes in _runs(batch.word_hashes, self.lengths):
            first = np.flatnonzero(self.filter.take((run_hashes >> self.shift).view(np.int64), mode="clip"))
            first = first[words.owners[first] == words.owners[first + length - 1]]
            rank = np.searchsorted(self.entries, run_hashes[first])
            exact = self.entries[np.minimum(rank, len(self.entries) - 1)] == run_hashes[first]
            firsts.append(first[exact])
            lasts.append(first[exact] + length - 1)
            ranks.append(rank[exact])
        first, last, rank = (np.concatenate([np.empty(0, np.int64), *arrays]) for arrays in (firsts, lasts, ranks))
        owners = words.owners[first]
        return Hits(owners, words.starts[first], words.ends[last], self._pairs(owners, rank))

    def _pairs(self, owners: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """[q, 2]: documents and texts, where ``ranks`` [h] are the first entries of the runs found in ``owners``
        [h]."""
        if not len(owners):
            return np.empty((0, 2), np.int64)
        counts = np.searchsorted(self.entries, self.entries[ranks], side="right") - ranks
        entries = np.arange(counts.sum()) + np.repeat(ranks - (np.cumsum(counts) - counts), counts)
        pairs = np.unique(np.repeat(owners, counts) * len(self.places) + self.texts[entries])
        return np.stack(np.divmod(pairs, len(self.places)), axis=1)

    def summary(self, leaked: Iterable[int], samples: int) -> dict[str, Any]:
        """Counts for the report, with the first ``samples`` of the texts ``leaked`` (their numbers, as in
        `Hits.pairs`)."""
        numbers = sorted(set(leaked))
        shown = [{"place": self.places[number], "text": self.samples[number]} for number in numbers[:samples]]
        counts = {
            "texts": len(self.places) + self.short,
            "too_short": self.short,
            "looked_for": len(self.places),
            "found": len(numbers),
        }
        return {**counts, "samples": shown}


def _entries(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of hash [e] and text [e], ascending, each once."""
    hashes = np.concatenate([np.empty(0, np.uint64), *(run_hashes for run_hashes, _ in parts)])
    texts = np.concatenate([np.empty(0, np.int64), *(owners for _, owners in parts)])
    order = np.lexsort((texts, hashes))
    hashes, texts = hashes[order], texts[order]
    new = np.ones(len(order), bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (texts[1:] != texts[:-1])
    return hashes[new], texts[new]


def _chunks(texts: Iterator[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    while chunk := list(islice(texts, TEXTS_AT_ONCE)):
        yield chunk


def _runs(hashes: np.ndarray, lengths: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Each of ``lengths`` (ascending) with the hashes of all runs of so many words, as `data_prep.text.hashing.runs`
    makes them."""
    total = hashes
    for length in range(1, min(max(lengths, default=0), len(hashes)) + 1):
        total = total[:-1] * BASE + hashes[length - 1 :] if length > 1 else hashes
        if length in lengths:
            yield length, total


def _runs_of(batch: Batch, words: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Length, hashes [k] and owners [k] of the runs to look for: of ``words`` words, or of a whole shorter text."""
    owners, wanted = batch.words.owners, np.minimum(batch.words.counts, words)
    for length, run_hashes in _runs(batch.word_hashes, np.unique(wanted).tolist()):
        first = np.flatnonzero(owners[: len(run_hashes)] == owners[length - 1 :])
        first = first[wanted[owners[first]] == length]
        yield length, run_hashes[first], owners[first]
