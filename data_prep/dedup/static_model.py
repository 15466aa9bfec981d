"""The offline default of `corpus.semantic.model`: a model2vec StaticModel by latent semantic analysis (Deerwester et
al. 1990).

Rows of the matrix are documents, columns tokens; a value is (1 + ln count) * idf with idf = ln((1 + documents) / (1 +
those that hold the token)) + 1, rows of length 1. With its singular vectors V and values s, the vector of a token is
``idf * V / s``: a mean over tokens, as StaticModel takes it, then lies near the document's left singular vector, in
which all directions weigh the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from data_prep.tokenizer.backends import load_reference, vocabulary_size

VERSION = 1
"""Raised by hand whenever the same text may give another model: one that is there is refused;
``tests/data_prep/versions`` holds it to that."""


def learn(ids: Sequence[np.ndarray], tokenizer: str | Path, dimensions: int, seed: int = 0) -> Any:
    """A StaticModel over the tokenizer folder ``tokenizer`` from the token ids [tokens] of documents; it cuts no text
    off.

    Raises UserError where there are too few documents for so many dimensions, and for a tokenizer whose ids have
    gaps."""
    from model2vec import StaticModel
    from sklearn.utils.extmath import randomized_svd

    reference = load_reference(tokenizer)
    size = vocabulary_size(reference)
    if size != len(reference.get_vocab(with_added_tokens=True)):
        raise UserError(
            f"the ids of data.tokenizer={tokenizer} have gaps, which a StaticModel cannot have; name another tokenizer"
        )
    if min(len(ids), size) <= dimensions:
        raise UserError(
            f"{len(ids)} documents are too few for corpus.semantic.dimensions={dimensions}; give more of them or"
            " lower it"
        )
    counts = _counts(ids, size)
    idf = np.log((1 + len(ids)) / (1 + np.bincount(counts.indices, minlength=size))) + 1
    _, values, directions = randomized_svd(_weighted(counts, idf), dimensions, n_iter=4, random_state=seed)
    vectors = idf[:, None] * directions.T / np.maximum(values, values[0] * 1e-6)
    vectors /= vectors.std()
    return StaticModel(vectors.astype(np.float32), reference, normalize=True, max_length=None)


def _counts(ids: Sequence[np.ndarray], size: int) -> Any:
    """Sparse [documents, size]: how often each document holds each token."""
    from scipy.sparse import csr_array

    bounds = np.concatenate([[0], np.cumsum([len(token_ids) for token_ids in ids])])
    counts = csr_array(
        (np.ones(bounds[-1], np.float32), np.concatenate(ids).astype(np.int64), bounds), (len(ids), size)
    )
    counts.sum_duplicates()
    return counts


def _weighted(counts: Any, idf: np.ndarray) -> Any:
    """The matrix that is decomposed; rows of length 1."""
    values = ((1 + np.log(counts.data)) * idf[counts.indices]).astype(np.float32)
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    lengths = np.sqrt(np.bincount(rows, values.astype(np.float64) ** 2, counts.shape[0]))
    return type(counts)(((values / lengths[rows]).astype(np.float32), counts.indices, counts.indptr), counts.shape)
