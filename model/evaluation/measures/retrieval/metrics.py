"""nDCG@10, MRR@10, MAP@100 and recall@10 of every query, as trec_eval computes them.

Tie rule: documents of equal score stand in descending order of their ids (by code point), as in trec_eval. `search`
ranks by it, so the metrics themselves see a ranking without ties. A grade above 0 is relevant; gains of nDCG are the
grades themselves."""

from collections.abc import Callable, Sequence

import numpy as np

from common.errors import UserError, suggestion

DEPTH = 100
"""Ranks that the deepest metric looks at."""


class Judgements:
    """Grades of relevance by position, for looking up whole rankings at once."""

    def __init__(self, qrels: dict[str, dict[str, int]], query_ids: Sequence[str], doc_ids: Sequence[str]):
        """``qrels`` of ``query_ids`` (Q of them, each with an entry) against ``doc_ids`` (N of them). Judged documents
        that are not among these count as relevant and in the best possible ranking, as in trec_eval; no place of a
        ranking is theirs."""
        row = {name: index for index, name in enumerate(doc_ids)}
        absent = len(doc_ids)
        self.width = len(doc_ids) + 1
        triples = [
            (query, row.get(name, absent), max(grade, 0))
            for query, key in enumerate(query_ids)
            for name, grade in qrels[key].items()
        ]
        query, document, grade = (np.array(column, dtype=np.int64) for column in zip(*triples, strict=True))
        key = query * self.width + document
        order = np.argsort(key)
        self.key, self.grade = key[order], grade[order].astype(np.float64)
        self.num_relevant = np.bincount(query[grade > 0], minlength=len(query_ids)).astype(np.float64)
        self.ideal = np.zeros((len(query_ids), 10))
        best_first = np.lexsort((-grade, query))
        rank = np.arange(len(query)) - np.searchsorted(query[best_first], query[best_first])
        kept = best_first[rank < 10]
        self.ideal[query[kept], rank[rank < 10]] = grade[kept]

    def grades(self, ranking: np.ndarray) -> np.ndarray:
        """Grade [Q, k] of each place of ``ranking`` [Q, k] (positions of documents, -1 for an empty place); 0 where not
        judged."""
        key = np.arange(len(ranking))[:, None] * self.width + ranking
        place = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        return np.where((self.key[place] == key) & (ranking >= 0), self.grade[place], 0.0)


def ndcg_at_10(grades: np.ndarray, judgements: Judgements) -> np.ndarray:
    """Discounted cumulative gain over 10 ranks as a share of the best possible one [Q]."""
    discount = 1 / np.log2(np.arange(2, 12))
    gained, best = grades[:, :10] @ discount[: grades[:, :10].shape[1]], judgements.ideal @ discount
    return np.divide(gained, best, out=np.zeros_like(gained), where=best > 0)


def mrr_at_10(grades: np.ndarray, judgements: Judgements) -> np.ndarray:
    """Reciprocal rank of the first relevant document among 10, else 0 [Q]."""
    relevant = grades[:, :10] > 0
    return np.where(relevant.any(1), 1 / (relevant.argmax(1) + 1), 0.0)


def map_at_100(grades: np.ndarray, judgements: Judgements) -> np.ndarray:
    """Precision at each relevant document among 100 ranks, averaged over all relevant documents [Q]."""
    relevant = grades[:, :100] > 0
    precision = np.cumsum(relevant, axis=1) / np.arange(1, relevant.shape[1] + 1)
    return (precision * relevant).sum(1) / np.maximum(judgements.num_relevant, 1)


def recall_at_10(grades: np.ndarray, judgements: Judgements) -> np.ndarray:
    """Share of the relevant documents among 10 ranks [Q]."""
    return (grades[:, :10] > 0).sum(1) / np.maximum(judgements.num_relevant, 1)


METRICS: dict[str, Callable[[np.ndarray, Judgements], np.ndarray]] = {
    "ndcg@10": ndcg_at_10, "mrr@10": mrr_at_10, "map@100": map_at_100, "recall@10": recall_at_10,
}  # fmt: skip
"""Name in results, TensorBoard and ``sweep.metric`` -> function."""


def evaluate(ranking: np.ndarray, judgements: Judgements) -> dict[str, np.ndarray]:
    """Each metric of each query [Q] of a ranking [Q, k], best first, ``k`` at least `DEPTH` or the size of the
    corpus."""
    grades = judgements.grades(ranking)
    return {name: metric(grades, judgements) for name, metric in METRICS.items()}


def parse_metric(name: str) -> tuple[str, str]:
    """``dev/ndcg@10`` as (split, metric). Raises UserError, with a suggestion, for a name that no result has."""
    known = [f"{split}/{metric}" for split in ("dev", "test") for metric in METRICS]
    if name not in known:
        raise UserError(f"sweep.metric={name} is unknown; it takes {', '.join(known)}{suggestion(name, known)}")
    split, _, metric = name.partition("/")
    return split, metric
