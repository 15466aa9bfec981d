"""Metrics against ir-measures and pytrec_eval."""

import ir_measures
import numpy as np
import pytest
import pytrec_eval
import torch
from ir_measures import AP, RR, R, nDCG

from common.errors import UserError
from model.evaluation.measures.retrieval.metrics import METRICS, Judgements, evaluate, parse_metric
from model.evaluation.measures.retrieval.search import tie_order, top_k

QUERIES, DOCUMENTS = 60, 230


def random_task(seed: int, levels: int):
    """Scores of few levels (so with many ties), and graded qrels with some grades of 0 and below."""
    rng = np.random.default_rng(seed)
    doc_ids = [f"d{number}" for number in rng.permutation(DOCUMENTS)]
    query_ids = [f"q{number}" for number in range(QUERIES)]
    scores = rng.integers(levels, size=(QUERIES, DOCUMENTS)).astype(np.float32)
    qrels = {}
    for row, query in enumerate(query_ids):
        judged = rng.choice(DOCUMENTS, size=rng.integers(1, 40), replace=False)
        qrels[query] = {doc_ids[d]: int(rng.integers(-1, 4)) for d in judged} | {doc_ids[judged[0]]: 2}
        scores[row, judged[: len(judged) // 2]] += levels // 3
    return query_ids, doc_ids, scores, qrels


def ranking_of(scores, doc_ids, k=100):
    order = tie_order(doc_ids)
    return order[top_k(torch.from_numpy(scores[:, order]), k).numpy()]


def as_run(query_ids, doc_ids, scores):
    return {
        query: dict(zip(doc_ids, map(float, row), strict=True)) for query, row in zip(query_ids, scores, strict=True)
    }


@pytest.mark.parametrize("levels", [2, 7, 1000])
def test_equal_to_ir_measures_with_ties(levels):
    query_ids, doc_ids, scores, qrels = random_task(levels, levels)
    found = evaluate(ranking_of(scores, doc_ids), Judgements(qrels, query_ids, doc_ids))
    run = as_run(query_ids, doc_ids, scores)
    wanted = {nDCG @ 10: "ndcg@10", AP @ 100: "map@100", R @ 10: "recall@10"}
    provider = ir_measures.providers.registry["pytrec_eval"]
    for value in provider.iter_calc(list(wanted), qrels, run):
        assert found[wanted[value.measure]][query_ids.index(value.query_id)] == pytest.approx(value.value, abs=1e-9)


def test_mrr_equal_to_trec_eval_with_ties():
    """trec_eval's reciprocal rank has no cut-off; ranks past 10 count 0 here."""
    query_ids, doc_ids, scores, qrels = random_task(3, 12)
    found = evaluate(ranking_of(scores, doc_ids), Judgements(qrels, query_ids, doc_ids))
    peer = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(as_run(query_ids, doc_ids, scores))
    whole = np.array([peer[query]["recip_rank"] for query in query_ids])
    assert ((whole > 0) & (whole < 0.1)).any()
    np.testing.assert_allclose(found["mrr@10"], np.where(whole > 0.0999, whole, 0.0), atol=1e-9)


def test_mrr_equal_to_ir_measures_on_the_same_ranking():
    """ir-measures takes RR@10 from a script that breaks ties the other way round, so it is given the ranking without
    ties."""
    query_ids, doc_ids, scores, qrels = random_task(4, 12)
    ranking = ranking_of(scores, doc_ids)
    found = evaluate(ranking, Judgements(qrels, query_ids, doc_ids))
    run = {
        query: {doc_ids[d]: float(-place) for place, d in enumerate(row)}
        for query, row in zip(query_ids, ranking, strict=True)
    }
    for value in ir_measures.iter_calc([RR @ 10], qrels, run):
        assert found["mrr@10"][query_ids.index(value.query_id)] == pytest.approx(value.value, abs=1e-9)


def test_judged_documents_that_the_corpus_does_not_have_count_as_in_trec_eval():
    """Among the relevant ones, in the best possible ranking, and never found: also where nothing else is relevant."""
    query_ids, doc_ids, scores, qrels = random_task(5, 12)
    rng = np.random.default_rng(0)
    for number, query in enumerate(query_ids):
        absent = {f"gone{one}": int(rng.integers(0, 4)) for one in range(rng.integers(0, 5))}
        qrels[query] = absent | {"gone": 3} if number % 7 == 0 else qrels[query] | absent
    found = evaluate(ranking_of(scores, doc_ids), Judgements(qrels, query_ids, doc_ids))
    assert all(found[metric][0] == 0 for metric in METRICS)
    wanted = {nDCG @ 10: "ndcg@10", AP @ 100: "map@100", R @ 10: "recall@10"}
    provider = ir_measures.providers.registry["pytrec_eval"]
    values = list(provider.iter_calc(list(wanted), qrels, as_run(query_ids, doc_ids, scores)))
    assert len(values) == 3 * QUERIES
    for value in values:
        assert found[wanted[value.measure]][query_ids.index(value.query_id)] == pytest.approx(value.value, abs=1e-9)


def test_short_rankings_and_empty_places():
    judgements = Judgements({"a": {"x": 1}, "b": {"y": 2, "x": 1}}, ["a", "b"], ["x", "y", "z"])
    found = evaluate(np.array([[-1, -1], [1, -1]]), judgements)
    assert [found[name][0] for name in METRICS] == [0, 0, 0, 0]
    assert found["mrr@10"][1] == 1 and found["recall@10"][1] == 0.5 and found["map@100"][1] == 0.5
    assert found["ndcg@10"][1] == pytest.approx(2 / (2 + 1 / np.log2(3)))


def test_metric_names():
    assert parse_metric("dev/ndcg@10") == ("dev", "ndcg@10")
    with pytest.raises(UserError, match=r"sweep.metric=dev/ndgc@10 .* did you mean 'dev/ndcg@10'"):
        parse_metric("dev/ndgc@10")
