"""Exact search against a full sort."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

import model.evaluation.search as module
from model.evaluation.search import search, tie_order, top_k


def reference(scores: np.ndarray, doc_ids: list[str], k: int) -> list[list[int]]:
    """Two stable sorts, one after the other: by id, then by score, both descending."""
    by_id = sorted(range(len(doc_ids)), key=lambda d: doc_ids[d], reverse=True)
    return [sorted(by_id, key=lambda d: -row[d])[:k] for row in scores]


@pytest.mark.parametrize("levels", [1, 3, 50])
@pytest.mark.parametrize("k", [1, 10, 100, 500])
def test_ties_follow_descending_ids(levels, k):
    rng = np.random.default_rng(levels)
    doc_ids = [str(number) for number in rng.permutation(300)]
    scores = rng.integers(levels, size=(20, 300)).astype(np.float32)
    order = tie_order(doc_ids)
    found = order[top_k(torch.from_numpy(scores[:, order]), k).numpy()]
    assert found.tolist() == reference(scores, doc_ids, k)


def test_ids_are_compared_as_bytes():
    assert [["a", "ç", "B", "10", "9"][i] for i in tie_order(["a", "ç", "B", "10", "9"])] == ["ç", "a", "B", "9", "10"]


def test_cosine_search_equals_scikit_learn_in_any_chunks(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    queries, documents = torch.randn(37, 16, generator=generator), 9 * torch.randn(211, 16, generator=generator)
    order = tie_order([str(number) for number in range(211)])
    peer = NearestNeighbors(n_neighbors=20, metric="cosine").fit(documents).kneighbors(queries, return_distance=False).tolist()
    assert search(queries, documents, order, 20).tolist() == peer
    monkeypatch.setattr(module, "SCORES_AT_ONCE", 500)
    assert search(queries, documents, order, 20).tolist() == peer
