"""Semantic duplicates: documents whose embeddings are close, cell by cell; the first stays.

SemHash's rule (exact cosine to a document that is kept) with the cells of SemDeDup (Abbas et al. 2023, arXiv
2303.09540), so that the work is linear in the documents. A pair whose members fall into different cells is not seen.
"""

import numpy as np

VERSION = 1
"""Raised by hand whenever the same vectors may be compared otherwise: they are compared anew;
``tests/data_prep/versions`` holds it to that."""
BLOCK = 1024


def centroids(sample: np.ndarray, cells: int, seed: int) -> np.ndarray:
    """[cells, d] float32 of length 1, by k-means over vectors [n, d] of length 1; fewer where the sample is smaller.

    Depends on the order of the sample and on the machine's arithmetic: make them once, for all shards."""
    sample = np.asarray(sample, np.float32)
    cells = max(min(cells, len(sample)), 1)
    if cells == 1:
        return np.zeros((1, sample.shape[1]), np.float32)
    from sklearn.cluster import MiniBatchKMeans

    centres = MiniBatchKMeans(cells, random_state=seed, n_init=1, batch_size=4 * BLOCK).fit(sample).cluster_centers_
    return (centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-32)).astype(np.float32)


def assign(vectors: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """[n] int64: the nearest of ``cells`` [cells, d] to each of ``vectors`` [n, d]; of equally near ones the first."""
    nearest = [np.empty(0, np.int64)]
    for start in range(0, len(vectors), BLOCK):
        nearest.append(np.argmax(vectors[start : start + BLOCK].astype(np.float32) @ cells.T, axis=1))
    return np.concatenate(nearest)


def representatives(vectors: np.ndarray, threshold: float) -> np.ndarray:
    """[m] int64: the document that each repeats, itself where it is kept, from vectors [m, d] of length 1 (or 0), in
    order.

    Document i goes if, and only if, an earlier kept one has a cosine of at least ``threshold``; it repeats the first
    such one. Memory: 4 bytes a value of what is kept, and blocks of 1,024 x 1,024 cosines."""
    repeats = np.arange(len(vectors))
    kept = np.empty((len(vectors), vectors.shape[1]), np.float32)
    numbers = np.empty(len(vectors), np.int64)
    count = 0
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK].astype(np.float32)
        places = _first_near(block, kept[:count], threshold)
        gone = places >= 0
        repeats[start : start + len(block)][gone] = numbers[places[gone]]
        near = np.tril(block @ block.T >= threshold, -1)
        near[:, gone] = False
        for row in np.flatnonzero(near.any(axis=1) & ~gone):
            if near[row].any():
                gone[row] = True
                repeats[start + row] = start + near[row].argmax()
                near[:, row] = False  # nobody repeats what goes
        new = np.flatnonzero(~gone)
        kept[count : count + len(new)], numbers[count : count + len(new)] = block[new], start + new
        count += len(new)
    return repeats


def _first_near(block: np.ndarray, kept: np.ndarray, threshold: float) -> np.ndarray:
    """[b] int64: the first of ``kept`` [k, d] that each of ``block`` [b, d] is near to; -1 where none is."""
    places = np.full(len(block), -1)
    for start in range(0, len(kept), BLOCK):
        open_ = np.flatnonzero(places < 0)
        near = block[open_] @ kept[start : start + BLOCK].T >= threshold
        has_near = near.any(axis=1)
        places[open_[has_near]] = start + near[has_near].argmax(axis=1)
    return places
