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
        found, counts = np.unique(pairs, return_counts=True)
        documents.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
        found, place = np.unique(hashes, return_index=True)
        for word, start in zip(found.tolist(), place.tolist(), strict=True):
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

    found, _, owners = _lettered(batch)
    place = np.minimum(np.searchsorted(hashes, found), len(hashes) - 1)
    known = hashes[place] == found
    entries = (np.ones(int(known.sum())), (owners[known], columns[place[known]]))
    return csr_matrix(entries, shape=(len(batch), len(hashes)), dtype=np.float64)


def _lettered(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hashes, numbers and documents of the words with a letter."""
    chosen = np.flatnonzero(batch.word_has_letter)
    return batch.word_hashes[chosen], chosen, batch.words.owners[chosen]
