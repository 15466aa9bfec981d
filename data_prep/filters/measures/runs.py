"""Runs of neighbouring tokens that occur more than once in their document, for all documents of a batch at once.

The measures of the rule gopher_repetition walk through a text one token after another. Here hashes of the runs of all
texts give an upper bound of each; only texts whose bound is above the threshold are walked through."""

import numpy as np

from data_prep.filters.measures.shares import share
from data_prep.text.batch import Batch
from data_prep.text.hashing import BASE, mix


class Runs:
    """Runs of neighbouring tokens that may occur more than once in their document; ``extend`` makes them longer."""

    def __init__(self, batch: Batch, alive: np.ndarray):
        self.batch, self.alive, self.tokens, self.length = batch, alive, batch.tokens, 1
        self.watched = np.ones(len(batch), bool)
        """[n] documents that are still looked at."""
        self.characters = np.zeros(len(self.tokens) + 1, np.int64)
        """[tokens + 1] characters of all tokens before each."""
        np.cumsum(self.tokens.lengths, out=self.characters[1:])
        self.bits = max(10, len(self.tokens).bit_length() + 2)
        self._keep(np.arange(len(self.tokens)), batch.token_hashes ^ mix(self.tokens.owners))

    def _keep(self, places: np.ndarray, hashes: np.ndarray) -> None:
        self.places, self.hashes = places, hashes
        """[k] first token of each run, ascending, and [k] hash of the run and its document."""
        buckets = (hashes >> np.uint64(64 - self.bits)).astype(np.int64)
        self.counts = np.bincount(buckets, minlength=1 << self.bits)[buckets]
        """[k] how often each occurs, or more."""
        self.owners = self.tokens.owners[places]

    def extend(self, length: int) -> None:
        """Extend the runs to ``length`` tokens, without those of which a part does not occur twice."""
        while self.length < length:
            often = np.flatnonzero(self.counts > 1)
            places, owners = self.places[often], self.owners[often]
            both = (places[1:] == places[:-1] + 1) & (
                owners[1:] == owners[:-1]
            )  # what begins here and what begins one later
            places = places[:-1][both]
            hashes = self.hashes[often[:-1][both]] * BASE + self.batch.token_hashes[places + self.length]
            self.length += 1
            self._keep(places, hashes)

    def top(self, most: float) -> np.ndarray:
        """[n] share of the characters in the most frequent run, with a space between its words; exact where its bound
        is above ``most``."""
        lengths = self._characters(self.places) + self.length - 1
        characters = greatest(self.counts * lengths, self.owners, len(self.batch))
        first = np.flatnonzero(self.tokens.counts >= self.length)  # where no run occurs twice the first is taken
        characters[first] = np.maximum(characters[first], self._characters(self.tokens.bounds[first]) + self.length - 1)
        shares = share(characters, self.batch.sizes)
        for index in np.flatnonzero(self.alive & (shares > most)):
            shares[index] = self._most_frequent(index) / self.batch.sizes[index]
        return shares

    def _characters(self, places: np.ndarray) -> np.ndarray:
        return self.characters[places + self.length] - self.characters[places]

    def _most_frequent(self, index: int) -> int:
        """Characters times count of the run that occurs most often in a document, of several the first."""
        begin, end = np.searchsorted(self.owners, [index, index + 1])
        places, hashes = self.places[begin:end], self.hashes[begin:end]
        _, first, counts = np.unique(hashes, return_index=True, return_counts=True)
        place, count = self.tokens.bounds[index], 1
        if counts.max(initial=1) > 1:
            count = counts.max()
            place = places[first[counts == count].min()]
        elif place + self.length > self.tokens.bounds[index + 1]:
            return 0
        return int((self._characters(place) + self.length - 1) * count)

    def covered(self) -> np.ndarray:
        """[n] share of the characters in runs that came before: no less than what `repeated` finds for runs as long or
        longer."""
        candidates = np.flatnonzero(self.counts > 1)
        _, first = np.unique(self.hashes[candidates], return_index=True)
        again = np.ones(len(candidates), bool)
        again[first] = False
        begin, owners = self.places[candidates[again]], self.owners[candidates[again]]
        before = np.maximum(
            begin, np.concatenate([[0], begin[:-1] + self.length])
        )  # what the run before has covered counts once
        new_characters = self.characters[begin + self.length] - self.characters[before]
        return share(np.bincount(owners, new_characters, len(self.batch)), self.batch.sizes)

    def drop(self, documents: np.ndarray) -> None:
        """Look no more at documents of a mask [n]."""
        self.watched &= ~documents
        self.counts[~self.watched[self.owners]] = 0

    def repeated(self, length: int, most: float, bound: np.ndarray) -> np.ndarray:
        """[n] share of the characters in runs of ``length`` tokens that came before, none counted twice; exact where
        ``bound`` [n] is above ``most``. The bound is lowered in place to that of this length."""
        suspects = self.alive & (bound > most)
        if suspects.any():
            self.drop(~self.alive)
            self.extend(length)
            np.minimum(bound, self.covered(), out=bound, where=self.watched)
            suspects &= bound > most
        shares = bound.copy()
        for index in np.flatnonzero(suspects):
            shares[index] = self._walk(index) / self.batch.sizes[index]
        return shares

    def _walk(self, index: int) -> int:
        begin, end = np.searchsorted(self.owners, [index, index + 1])
        places = self.places[begin:end]
        seen, free, total = set(), 0, 0
        for place, run, size in zip(
            places.tolist(), self.hashes[begin:end].tolist(), self._characters(places).tolist(), strict=True
        ):
            if place < free:
                continue
            if run in seen:
                total += size
                free = place + self.length
            else:
                seen.add(run)
        return total


def greatest(values: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    """[count] the greatest of ``values`` [k] of each owner (ascending), 0 for one without."""
    maxima = np.zeros(count, values.dtype)
    if len(values):
        heads = np.flatnonzero(np.diff(owners, prepend=-1))
        maxima[owners[heads]] = np.maximum.reduceat(values, heads)
    return maxima
