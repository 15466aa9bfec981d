"""Keys under which equal and similar documents meet: an exact digest, and MinHash bands.

MinHash: Broder 1997, "On the resemblance and containment of documents"; cut into bands for locality-sensitive hashing: Indyk and Motwani
1998, as in Lee et al. 2022 (arXiv 2107.06499). Two texts whose sets of shingles have Jaccard similarity s share a band with probability
``1 - (1 - s**rows)**bands``.
"""

import numpy as np

from common.errors import UserError
from conf.schema.duplicates import DuplicatesConfig
from data_prep.text.batch import Batch, Spans
from data_prep.text.characters import DIGIT
from data_prep.text.hashing import Prefix, mix, runs


def token_prefix(batch: Batch) -> Prefix:
    """To hash runs of the tokens of a batch, in lower case: what is equal but for case and white space has equal hashes."""
    return Prefix(batch.lower_prefix.spans(batch.tokens.starts, batch.tokens.ends))


def digests(batch: Batch, prefix: Prefix) -> np.ndarray:
    """[n] uint64: a digest of each text, blind to case and white space; ``prefix`` is the batch's `token_prefix`."""
    return prefix.spans(batch.tokens.bounds[:-1], batch.tokens.bounds[1:])


class Signer:
    """Makes the keys of documents; equal for equal text, whatever else is in the batch."""

    def __init__(self, config: DuplicatesConfig):
        if min(config.shingle, config.bands, config.rows) < 1:
            raise UserError("corpus.duplicates.shingle, .bands and .rows are at least 1; correct the one that is not")
        self.config = config
        self.columns = 1 + config.bands * config.near
        """Keys a document: the digest, then one a band."""

    def keys(self, batch: Batch) -> np.ndarray:
        """[n, columns] uint64: column 0 the exact digest, the others one key a band. Equal keys, equal rows of the signature, but for
        collisions of 64 bits."""
        keys = np.empty((len(batch), self.columns), np.uint64)
        keys[:, 0] = digests(batch, token_prefix(batch))
        if self.config.near and len(batch):
            keys[:, 1:] = self._bands(*shingles(batch.words, self._words(batch), self.config.shingle, keys[:, 0]))
        return keys

    def _words(self, batch: Batch) -> np.ndarray:
        """[words] uint64: hashes of the words."""
        if not self.config.fold_numbers:
            return batch.word_hashes
        digits = np.zeros(len(batch.flags) + 1, np.int32)
        np.cumsum((batch.flags & DIGIT) != 0, out=digits[1:])
        numeric = digits[batch.words.ends] - digits[batch.words.starts] == batch.words.lengths
        return np.where(numeric, np.uint64(0), batch.word_hashes)

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


def shingles(words: Spans, hashes: np.ndarray, length: int, digest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hashes [m] of all runs of ``length`` words of n documents, end to end, and where each document's begin ([n + 1], uint64).

    ``hashes`` [words] are those of the words. A document with fewer words has one shingle, its ``digest`` [n], so that short texts are
    alike only where they are equal. A run that occurs twice stands there twice, which a minimum does not see."""
    counts = np.maximum(words.counts - length + 1, 1)
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    flat = np.empty(offsets[-1], np.uint64)
    short = words.counts < length
    long = np.ones(len(flat), bool)
    long[offsets[:-1][short]] = False
    flat[~long] = digest[short]
    inside = words.owners[: max(len(hashes) - length + 1, 0)] == words.owners[length - 1 :]
    flat[long] = runs(hashes, length)[inside]
    return flat, offsets.astype(np.uint64)
