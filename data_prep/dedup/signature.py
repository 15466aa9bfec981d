"""Keys under which equal and similar documents meet: an exact digest, and MinHash bands.

MinHash: Broder 1997, "On the resemblance and containment of documents"; cut into bands for locality-sensitive hashing:
Indyk and Motwani 1998, as in Lee et al. 2022 (arXiv 2107.06499). Two texts whose sets of shingles have Jaccard
similarity s share a band with probability ``1 - (1 - s**rows)**bands``. Shingles are runs of letters and digits,
whatever stands between them: where 4% of the spaces are lost (PDF, OCR) a fifth of the shingles of 5 words are other
ones, of these none."""

import re

import numpy as np

from common.errors import UserError
from conf.schema.duplicates import DuplicatesConfig
from conf.schema.language import LanguageConfig
from data_prep.text.batch import Batch, hash_words
from data_prep.text.characters import DIGIT, WORD
from data_prep.text.hashing import Prefix, mix

VERSION = 1
"""Raised by hand whenever the same text may get other keys: documents are compared anew; ``tests/data_prep/versions``
holds it to that."""
UNDERSCORE, ZERO, NUMBER = ord("_"), ord("0"), re.compile(r"\d+")


def token_prefix(batch: Batch) -> Prefix:
    """Prefix sums to hash runs of the tokens of a batch, in lower case: what is equal but for case and white space has
    equal hashes."""
    return Prefix(batch.lower_prefix.spans(batch.tokens.starts, batch.tokens.ends))


def digests(batch: Batch, prefix: Prefix) -> np.ndarray:
    """[n] uint64: a digest of each text, blind to case and white space; ``prefix`` is the batch's `token_prefix`."""
    return prefix.spans(batch.tokens.bounds[:-1], batch.tokens.bounds[1:])


class Signer:
    """Makes the keys of documents of one language; equal for equal text, whatever else is in the batch."""

    def __init__(self, config: DuplicatesConfig, profile: LanguageConfig):
        if min(config.bands, config.rows) < 1:
            raise UserError("corpus.duplicates.bands and .rows are at least 1; correct the one that is not")
        if profile.shingle < 1:
            raise UserError(
                f"corpus.languages.{profile.code}.shingle={profile.shingle}: give a number of letters, at least 1"
            )
        self.config, self.length = config, profile.shingle
        self.columns = 1 + config.bands * config.near
        """Keys a document: the digest, then one a band."""

    def keys(self, batch: Batch) -> np.ndarray:
        """[n, columns] uint64: column 0 the exact digest, the others one key a band. Equal keys, equal rows of the
        signature, but for collisions of 64 bits."""
        keys = np.empty((len(batch), self.columns), np.uint64)
        keys[:, 0] = digests(batch, token_prefix(batch))
        if self.config.near and len(batch):
            keys[:, 1:] = self._bands(*shingles(batch, self.length, self.config.fold_numbers))
        return keys

    def _bands(self, flat: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """[n, bands] uint64 from the shingles of n documents."""
        from rensa import RMinHash

        bands, rows = self.config.bands, self.config.rows
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, bands * rows, self.config.seed)
        signatures = np.array(matrix.to_rows(), np.uint64).reshape(-1, bands, rows)
        keys = np.zeros(signatures.shape[:2], np.uint64)
        for row in range(rows):
            keys = mix(keys + signatures[:, :, row])
        return keys


def letters(batch: Batch, fold_numbers: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The letters and digits [k] (uint32, in lower case) of n documents, end to end, without all that stands between
    them, and where each document's begin ([n + 1]). ``fold_numbers``: digits that follow each other, or are parted by
    signs and blanks alone, are one zero."""
    kept = np.flatnonzero(((batch.flags & WORD) != 0) & (batch.codes != UNDERSCORE))
    codes = batch.lower[kept]
    if fold_numbers:
        digit = (batch.flags[kept] & DIGIT) != 0
        codes[digit] = ZERO
        first = np.zeros(len(kept), bool)
        first[np.searchsorted(kept, batch.starts[:-1])[np.diff(np.searchsorted(kept, batch.starts)) > 0]] = True
        stays = ~digit | first
        stays[1:] |= ~digit[:-1]
        kept, codes = kept[stays], codes[stays]
    return codes, np.searchsorted(kept, batch.starts)


def shingles(batch: Batch, length: int, fold_numbers: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Hashes [m] of all runs of ``length`` `letters` of n documents, end to end, and where each document's begin ([n +
    1], uint64).

    A document with fewer has one shingle, its text without white space, so that short texts are alike only where they
    are equal but for that and case. A run that occurs twice stands there twice, which a minimum does not see."""
    codes, bounds = letters(batch, fold_numbers)
    counts = np.diff(bounds) - length + 1
    short = np.flatnonzero(counts < 1)
    counts[short] = 1
    offsets = np.zeros(len(batch) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    starts = np.arange(offsets[-1]) + np.repeat(bounds[:-1] - offsets[:-1], counts)
    ends = starts + length
    starts[offsets[short]], ends[offsets[short]] = 0, 0
    flat = Prefix(codes).spans(starts, ends)
    whole = ["".join(batch.texts[index].split()) for index in short]
    flat[offsets[short]] = hash_words(
        [NUMBER.sub("0", text) for text in whole] if fold_numbers else whole, batch.casing
    )
    return flat, offsets.astype(np.uint64)
