"""Lemmas and suffix classes of the words of a batch, each word type analysed once."""

from typing import NamedTuple

import numpy as np

from data_prep.morphology.analysers import UNKNOWN, Analyser
from data_prep.text.batch import Batch, hash_words
from data_prep.text.characters import code_points

_APOSTROPHES = "'’"
_TAIL = np.uint64(0x517CC1B727220A95)
"""Sets the key of a suffix after an apostrophe apart from that of the same letters as a word."""


_LONGEST = 64
"""Words of so many letters are none."""


class Words(NamedTuple):
    """The words with a letter of some documents of a batch; what follows an apostrophe is the suffix of the word
    before, not a word."""

    owners: np.ndarray
    """[k] int64: document of each."""
    lemmas: np.ndarray
    """[k] uint64: hash of its lemma, 0 where it is not known."""
    suffixes: np.ndarray
    """[k] uint64: hash of its suffix class, 0 where it has none or is not known."""


class WordTable:
    """Analyses by word hash, ``size`` of them in slots of two, the two newest staying: memory is bounded, and since an
    analysis depends on the word alone, what is in the table changes the time and not the result."""

    def __init__(self, analyser: Analyser, size: int):
        self.analyser = analyser
        self.slots = 1 << max(size // 2 - 1, 0).bit_length()
        self.keys = np.zeros((2, self.slots), np.uint64)
        self.values = np.zeros((2, self.slots, 2), np.uint64)

    def words(self, batch: Batch, chosen: np.ndarray) -> Words:
        """Analyse the words of the documents of a mask ``chosen`` [n]."""
        spans, codes = batch.words, batch.codes
        apostrophe = np.isin(codes[np.maximum(spans.starts - 1, 0)], code_points(_APOSTROPHES)) & (spans.starts > 0)
        tail = np.zeros(len(spans), bool)
        tail[1:] = apostrophe[1:] & (spans.ends[:-1] == spans.starts[1:] - 1)
        wanted = chosen[spans.owners] & batch.word_has_letter
        places = np.flatnonzero(wanted)
        values = self._look_up(batch, places, tail[places])
        # a word before an apostrophe takes the class of what follows
        own = tail[places]
        followed = np.zeros(len(places), bool)
        followed[:-1] = own[1:] & (places[1:] == places[:-1] + 1)
        suffixes = values[:, 1].copy()
        suffixes[:-1][followed[:-1]] = values[1:, 1][followed[:-1]]
        return Words(spans.owners[places][~own], values[~own, 0], suffixes[~own])

    def _look_up(self, batch: Batch, places: np.ndarray, tail: np.ndarray) -> np.ndarray:
        """[k, 2] uint64: lemma and class of the words at ``places`` [k]."""
        keys = np.where(tail, batch.word_hashes[places] ^ _TAIL, batch.word_hashes[places])
        slots = (keys & np.uint64(self.slots - 1)).astype(np.int64)
        second = (self.keys[1, slots] == keys).astype(np.int64)
        values = self.values[second, slots]
        missing = np.flatnonzero((self.keys[0, slots] != keys) & (second == 0))
        if len(missing):
            _, first, inverse = np.unique(keys[missing], return_index=True, return_inverse=True)
            new = self._analyse(batch, places[missing[first]], tail[missing[first]])
            values[missing] = new[inverse]
            chosen = slots[missing[first]]
            self.keys[1, chosen], self.values[1, chosen] = self.keys[0, chosen], self.values[0, chosen]
            self.keys[0, chosen], self.values[0, chosen] = keys[missing[first]], new
        return values

    def _analyse(self, batch: Batch, places: np.ndarray, tail: np.ndarray) -> np.ndarray:
        """[k, 2] uint64: lemma and class of distinct words, one by one."""
        lemmas, classes = [], []
        for start, end, is_tail in zip(
            batch.words.starts[places].tolist(), batch.words.ends[places].tolist(), tail.tolist(), strict=True
        ):
            word = "".join(map(chr, batch.lower[start : min(end, start + _LONGEST)].tolist()))
            if len(word) == _LONGEST:
                lemma, suffix = UNKNOWN
            else:
                lemma, suffix = ("", self.analyser.suffix(word)) if is_tail else self.analyser.word(word)
            lemmas.append(lemma)
            classes.append(suffix)
        empty = np.array([[not lemma, not suffix] for lemma, suffix in zip(lemmas, classes, strict=True)])
        return np.where(empty, np.uint64(0), np.stack([hash_words(lemmas), hash_words(classes)], axis=1))
