"""Exact search: every query against every document, best first, equal scores by descending document id."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

SCORES_AT_ONCE = 8_000_000
"""Query-document scores held at a time (32 MB)."""


def tie_order(doc_ids: Sequence[str]) -> np.ndarray:
    """Positions [N] of the documents by descending id, the order in which equal scores are ranked (rule of
    trec_eval)."""
    return np.array(sorted(range(len(doc_ids)), key=doc_ids.__getitem__, reverse=True), dtype=np.int64)


def top_k(scores: Tensor, k: int) -> Tensor:
    """Columns [Q, k] of the highest ``scores`` [Q, N], best first; of equal ones the earlier column first."""
    k = min(k, scores.shape[1])
    values, columns = torch.topk(scores, k, dim=1)
    last = values[:, -1:]
    # torch.topk takes any of the columns that share the last score: where they do not all fit, sort the row in full
    torn = ((scores == last).sum(1) > (values == last).sum(1)).nonzero().squeeze(1)
    if len(torn):
        columns[torn] = scores[torn].sort(dim=1, descending=True, stable=True).indices[:, :k]
    columns = columns.sort(dim=1).values
    order = scores.gather(1, columns).sort(dim=1, descending=True, stable=True).indices
    return columns.gather(1, order)


def of_distinct(function: Callable[[Tensor], Tensor], vectors: Tensor) -> Tensor:
    """``function`` of the rows of ``vectors`` [N, D], computed once for equal ones, so that they stay equal."""
    distinct, which = torch.unique(vectors, dim=0, return_inverse=True)
    return function(vectors) if len(distinct) == len(vectors) else function(distinct)[which]


def search(queries: Tensor, documents: Tensor, order: np.ndarray, k: int = 100) -> np.ndarray:
    """Positions [Q, k] of the documents nearest by cosine: ``queries`` [Q, D], ``documents`` [N, D], ``order`` of
    `tie_order`.

    Equal documents get one score: a product of matrices differs in its last bits from place to place."""
    queries = torch.nn.functional.normalize(queries.float(), dim=1)
    documents = documents.float()[torch.from_numpy(order).to(documents.device)]
    distinct, which = torch.unique(documents, dim=0, return_inverse=True)
    repeats = len(distinct) < len(documents)
    columns = torch.nn.functional.normalize(distinct if repeats else documents, dim=1)
    rows = max(1, SCORES_AT_ONCE // len(documents))
    scores = (chunk @ columns.T for chunk in queries.split(rows))
    found = [top_k(chunk[:, which] if repeats else chunk, k) for chunk in scores]
    return order[torch.cat(found).cpu().numpy()]
