"""Texts as counts of known words, by the words and the casing of the corpus factory."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from data_prep.text.batch import Batch

MIN_DOCUMENTS = 2
"""Words of fewer documents are not learnt."""


def most_frequent(batches: Iterable[Batch], size: int) -> list[str]:
    """The ``size`` words (with a letter, in lower case) that occur in most documents, sorted; of equals those with the
    smaller hash."""
    documents: Counter[int] = Counter()
    names: dict[int, str] = {}
    for batch in batches:
        hashes, first, owners = _lettered(batch)
        pairs = np.unique(np.stack([owners.astype(np.uint64), hashes]), axis=1)[1]
        hashes_seen, counts = np.unique(pairs, return_counts=True)
        documents.update(dict(zip(hashes_seen.tolist(), counts.tolist(), strict=True)))
        hashes_seen, place = np.unique(hashes, return_index=True)
        for word, start in zip(hashes_seen.tolist(), place.tolist(), strict=True):
            if word not in names:
                names[word] = (
                    batch.lower[batch.words.starts[first[start]] : batch.words.ends[first[start]]]
                    .tobytes()
                    .decode("utf-32")
                )
    common = sorted(
        (word for word, count in documents.items() if count >= MIN_DOCUMENTS), key=lambda word: (-documents[word], word)
    )
    return sorted(names[word] for word in common[:size])


def counts(batch: Batch, hashes: np.ndarray, columns: np.ndarray) -> Any:
    """scipy's CSR matrix [n, v] float64: how often each text has each known word: ``hashes`` [v], ascending, of
    ``columns`` [v]."""
    from scipy.sparse import csr_matrix

    word_hashes, _, owners = _lettered(batch)
    place = np.minimum(np.searchsorted(hashes, word_hashes), len(hashes) - 1)
    is_column = hashes[place] == word_hashes
    entries = (np.ones(int(is_column.sum())), (owners[is_column], columns[place[is_column]]))
    return csr_matrix(entries, shape=(len(batch), len(hashes)), dtype=np.float64)


def _lettered(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hashes, numbers and documents of the words with a letter."""
    chosen = np.flatnonzero(batch.word_has_letter)
    return batch.word_hashes[chosen], chosen, batch.words.owners[chosen]
