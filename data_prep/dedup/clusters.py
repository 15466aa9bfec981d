"""Connected components of pairs that come in pieces: who is, over any number of steps, a duplicate of whom."""

from collections.abc import Iterable

import numpy as np

AT_ONCE = 1 << 20
"""Documents whose roots are looked up together."""


def components(edges: Iterable[np.ndarray], documents: int) -> np.ndarray:
    """[documents] int64: the smallest member of each document's component; itself where it has no edge.

    ``edges``: arrays [e, 2] of document numbers, in any order. Memory: 8 bytes a document, and about 100 for each edge
    of one array."""
    parents = np.arange(documents, dtype=np.int64)
    for pairs in edges:
        tops = _top(parents, np.asarray(pairs, np.int64).reshape(-1, 2))
        tops = tops[tops[:, 0] != tops[:, 1]]
        if len(tops):
            _join(parents, tops)
    for start in range(0, documents, AT_ONCE):
        _top(parents, np.arange(start, min(start + AT_ONCE, documents)))
    return parents


def _top(parents: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """The root above each of ``documents`` (any shape). What is met on the way is tied to its root."""
    above = parents[documents]
    while True:
        higher = parents[above]
        if np.array_equal(higher, above):
            parents[documents] = above
            return above
        above = higher


def _join(parents: np.ndarray, pairs: np.ndarray) -> None:
    """Tie roots that pairs [e, 2] connect to the smallest of them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    roots, places = np.unique(pairs, return_inverse=True)
    places = places.reshape(pairs.shape)
    graph = coo_array((np.ones(len(places), np.int8), (places[:, 0], places[:, 1])), shape=(len(roots), len(roots)))
    _, labels = connected_components(graph, directed=False)
    _, firsts = np.unique(labels, return_index=True)  # roots ascend: the first of a label is its smallest
    parents[roots] = roots[firsts[labels]]
