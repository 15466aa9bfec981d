import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data_prep.dedup import semantic


def vectors(count: int, dimensions: int = 16, seed: int = 0, near: float = 0.3) -> np.ndarray:
    """Random directions, half of them close to an earlier one."""
    draw = np.random.default_rng(seed)
    drawn = draw.normal(size=(count, dimensions))
    for number in range(count // 2, count):
        drawn[number] = drawn[draw.integers(max(number, 1))] + near * drawn[number] * draw.random()
    drawn = draw.permuted(drawn, axis=0) if seed % 2 else drawn
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16)


def by_hand(embeddings: np.ndarray, threshold: float) -> list[int]:
    kept, repeats = [], []
    for number, vector in enumerate(embeddings.astype(np.float32)):
        near = [other for other in kept if float(vector @ embeddings[other].astype(np.float32)) >= threshold]
        repeats.append(near[0] if near else number)
        if not near:
            kept.append(number)
    return repeats


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 150), st.integers(0, 100), st.sampled_from([0.5, 0.8, 0.9, 0.95]), st.sampled_from([7, 64, 1024]))
def test_greedy_keep_first(count, seed, threshold, block):
    embeddings, before = vectors(count, seed=seed), semantic.BLOCK
    cosines = embeddings.astype(np.float64) @ embeddings.T.astype(np.float64)
    assume((np.abs(cosines - threshold) > 1e-6).all())  # else rounding decides
    semantic.BLOCK = block
    try:
        assert semantic.representatives(embeddings, threshold).tolist() == by_hand(embeddings, threshold)
    finally:
        semantic.BLOCK = before


def test_zeros_are_like_nothing():
    assert semantic.representatives(np.zeros((3, 4), np.float16), 0.5).tolist() == [0, 1, 2]


def test_as_many_are_kept_as_by_semhash():
    """SemHash with exact search on the same vectors keeps the same number; it walks in the same order."""
    semhash = pytest.importorskip("semhash")
    from vicinity import Backend

    embeddings = vectors(1500, 64).astype(np.float32)
    texts = [f"text {number}" for number in range(len(embeddings))]
    index = semhash.SemHash.from_embeddings(embeddings, texts, model=None, ann_backend=Backend.BASIC)
    for threshold in (0.8, 0.9, 0.95):
        theirs = {int(text.split()[1]) for text in index.self_deduplicate(threshold).selected}
        ours = set(
            np.flatnonzero(semantic.representatives(embeddings, threshold) == np.arange(len(embeddings))).tolist()
        )
        assert len(ours ^ theirs) <= 2 and len(ours) < 0.95 * len(embeddings)


def test_cells_hold_neighbours_together():
    embeddings = vectors(3000, 32, seed=2)
    cells = semantic.centroids(embeddings[:1000], 4, seed=1)
    assert cells.shape == (4, 32) and np.array_equal(cells, semantic.centroids(embeddings[:1000], 4, seed=1))
    homes = semantic.assign(embeddings, cells)
    assert set(homes) == {0, 1, 2, 3}
    assert np.array_equal(
        homes, np.concatenate([semantic.assign(embeddings[:1500], cells), semantic.assign(embeddings[1500:], cells)])
    )
    repeats = semantic.representatives(embeddings, 0.95)
    pairs = np.flatnonzero(repeats != np.arange(len(embeddings)))
    assert (homes[pairs] == homes[repeats[pairs]]).mean() > 0.85


def test_few_documents_are_one_cell():
    assert semantic.centroids(vectors(5)[:1], 8, 0).shape == (1, 16) and semantic.centroids(
        np.empty((0, 16)), 8, 0
    ).shape == (1, 16)
    assert semantic.assign(vectors(5), semantic.centroids(vectors(5), 1, 0)).tolist() == [0] * 5
    assert semantic.assign(np.empty((0, 16), np.float16), np.zeros((1, 16), np.float32)).shape == (0,)
