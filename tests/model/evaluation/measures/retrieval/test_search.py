"""Exact search against a full sort."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

import model.evaluation.measures.retrieval.search as module
from model.evaluation.measures.retrieval.search import of_distinct, search, tie_order, top_k


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
    peer = (
        NearestNeighbors(n_neighbors=20, metric="cosine")
        .fit(documents)
        .kneighbors(queries, return_distance=False)
        .tolist()
    )
    assert search(queries, documents, order, 20).tolist() == peer
    monkeypatch.setattr(module, "SCORES_AT_ONCE", 500)
    assert search(queries, documents, order, 20).tolist() == peer


@pytest.mark.parametrize("dim", [16, 33, 768])
@pytest.mark.parametrize("count", [1, 2, 3, 17])
def test_equal_documents_tie_whatever_the_number_of_queries_and_documents(monkeypatch, dim, count):
    """Against float64, which tells apart what float32 takes for equal. Numbers of documents on both sides of a chunk's
    border."""
    draw = torch.Generator().manual_seed(dim)
    for size in (5, 64, 500, 501, 999, 1000, 1001, 3001):
        distinct, queries = torch.randn(max(2, size // 3), dim, generator=draw), torch.randn(count, dim, generator=draw)
        which = torch.randint(len(distinct), (size,), generator=draw)
        order = tie_order([str(number) for number in torch.randperm(size, generator=draw).tolist()])
        one, other = (vectors.double() / vectors.double().norm(dim=1, keepdim=True) for vectors in (queries, distinct))
        exact = (one @ other.T)[:, which].numpy()
        for at_once in (1000, module.SCORES_AT_ONCE):
            with monkeypatch.context() as patch:
                patch.setattr(module, "SCORES_AT_ONCE", at_once)
                found = search(queries, distinct[which], order, 50)
            for scores, row in zip(exact, found, strict=True):
                assert len(set(row.tolist())) == min(50, size)
                assert (np.diff(scores[row]) < 1e-6).all() and np.delete(scores, row).max(initial=-1) < scores[
                    row[-1]
                ] + 1e-6
                for copy in set(which[row].tolist()):
                    copies = order[which.numpy()[order] == copy]
                    mine = row[which.numpy()[row] == copy]
                    assert mine.tolist() == copies[: len(mine)].tolist(), (size, at_once)


def test_ties_are_measured_as_trec_eval_does():
    """All documents equal: the ranking is that of the ids, whichever of them is relevant."""
    import ir_measures

    draw = torch.Generator().manual_seed(1)
    ids = [f"d{number}" for number in range(33)]
    documents, query = torch.randn(1, 33, generator=draw).expand(33, 33), torch.randn(1, 33, generator=draw)
    (ranking,) = search(query, documents, tie_order(ids), 33)
    assert [ids[place] for place in ranking] == sorted(ids, reverse=True)
    run = {"q": dict.fromkeys(ids, 1.0)}
    for wanted in ("d0", "d32", "d7"):
        (theirs,) = [one.value for one in ir_measures.iter_calc([ir_measures.RR], {"q": {wanted: 1}}, run)]
        assert theirs == pytest.approx(1 / (1 + [ids[place] for place in ranking].index(wanted)))


@pytest.mark.parametrize("size", [3, 16, 63, 1001])
def test_equal_vectors_stay_equal_behind_a_head(size):
    draw = torch.Generator().manual_seed(size)
    distinct, weight = torch.randn(size // 3 + 1, 33, generator=draw), torch.randn(33, 33, generator=draw)
    which = torch.randint(len(distinct), (size,), generator=draw)
    found = of_distinct(lambda vectors: vectors @ weight, distinct[which])
    for number in range(len(distinct)):
        copies = found[which == number]
        assert (copies == copies[:1]).all()
    torch.testing.assert_close(found, distinct[which] @ weight)
    assert of_distinct(lambda vectors: vectors @ weight, distinct).equal(distinct @ weight), (
        "bits as before where nothing is equal"
    )
