"""datatrove's MinHash stages from disk to clusters, with a regular expression for its word tokenizer, and what may be
changed in them."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xxhash
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.utils.word_tokenizers import WordTokenizer
from loguru import logger
from rensa import RMinHash

from conf.schema.duplicates import DuplicatesConfig

logger.disable("datatrove")
WORD = re.compile(r"\w+")


class Regex(WordTokenizer):
    """Words are runs of ``\\w``."""

    def word_tokenize(self, text: str) -> list[str]:
        """Words of a text."""
        return WORD.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        """MinHash asks for words alone."""
        raise NotImplementedError

    span_tokenize = sent_tokenize


class Rensa(MinhashDedupSignature):
    """Its signature stage with the hashes of rensa."""

    def get_signature(self, shingles: np.ndarray) -> list[list[int]]:
        """[buckets][hashes] of the shingles [n, 1] of a document."""
        offsets = np.array([0, len(shingles)], np.uint64)
        (digest,) = RMinHash.digest_matrix_from_flat_token_hashes(
            shingles.ravel(), offsets, self.num_hashes, self.config.seed
        ).to_rows()
        size = self.config.hashes_per_bucket
        return [digest[start : start + size] for start in range(0, self.num_hashes, size)]


class SameShingles(MinhashDedupSignature):
    """Its signature stage on the shingles of another."""

    shingles_of: Callable[[str], np.ndarray]

    def get_shingles(self, text: str) -> np.ndarray:
        """[n, 1] uint64. Its own hash functions multiply modulo 2**61 - 1 in 64 bits, so that the upper bits of ours
        must go."""
        return (self.shingles_of(text) >> np.uint64(32)).reshape(-1, 1)


WORDS = 5
"""Of a shingle: about as many as ours of letters has."""


def settings(config: DuplicatesConfig) -> MinhashConfig:
    """Bands and rows equal to ours."""
    return MinhashConfig(n_grams=WORDS, num_buckets=config.bands, hashes_per_bucket=config.rows, seed=config.seed)


def stages(jsonl: Path, folder: Path, signature: MinhashDedupSignature) -> Path:
    """Run signature, buckets and cluster on one file, without datatrove's executor; returns the folder of the
    clusters."""
    clusters, config = folder / "clusters", signature.config
    signature._hash_func = lambda text: xxhash.xxh64_intdigest(
        text.encode()
    )  # its own call passes str, which xxhash 4 refuses
    signature.run(JsonlReader(str(jsonl.parent), glob_pattern=jsonl.name).run(None, 0, 1), 0, 1)
    buckets = MinhashDedupBuckets(str(folder / "signatures"), str(folder / "pairs"), config=config)
    for rank in range(config.num_buckets):
        buckets.run(None, rank, config.num_buckets)
    MinhashDedupCluster(str(folder / "pairs"), str(clusters), config, save_cluster_id=True).run(None, 0, 1)
    return clusters


def firsts(clusters: Path, documents: int) -> np.ndarray:
    """[documents] int64: the first document of each one's cluster, from what `stages` wrote."""
    found = np.arange(documents)
    path = clusters / "000000.clusters"
    if path.exists():
        members, numbers = np.fromfile(path, np.uint32).reshape(-1, 2).astype(np.int64).T
        smallest = np.full(numbers.max() + 1, documents)
        np.minimum.at(smallest, numbers, members)
        found[members] = smallest[numbers]
    return found
