"""BM25 (Lucene's variant, k1 1.5, b 0.75) over lower-cased words: the baseline that every encoder stands beside."""

import logging
import re
from collections.abc import Sequence

import numpy as np
import torch

from model.evaluation.measures.retrieval.search import SCORES_AT_ONCE, tie_order, top_k

WORD = re.compile(r"\w+")
DOT_ABOVE = "\u0307"
"""Left over by Python when it lower-cases the Turkish capital I with a dot."""


def words(text: str, prefix: int = 0) -> list[str]:
    """Lower-cased words of ``text``, cut to ``prefix`` letters if it is above 0 (a crude stemmer for agglutinating
    languages)."""
    found = WORD.findall(text.lower().replace(DOT_ABOVE, ""))
    return [word[:prefix] for word in found] if prefix else found


def bm25_search(
    queries: Sequence[str], documents: Sequence[str], doc_ids: Sequence[str], prefix: int = 0, k: int = 100
) -> np.ndarray:
    """Positions [Q, k] of the best documents, -1 where fewer share a word with the query; ties as in `search`."""
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it asks for DEBUG on import
    order = tie_order(doc_ids)
    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    # a word in no document keeps the index valid where every document is empty
    corpus = [words(documents[position], prefix) or [""] for position in order]
    index.index(corpus, show_progress=False)
    rows, found = max(1, SCORES_AT_ONCE // len(order)), []
    for start in range(0, len(queries), rows):
        asked = [words(query, prefix) for query in queries[start : start + rows]]
        scores = torch.from_numpy(
            np.stack([index.get_scores(terms) if terms else np.zeros(len(order), np.float32) for terms in asked])
        )
        columns = top_k(scores, k)
        matched = scores.gather(1, columns) > 0
        found.append(np.where(matched.numpy(), order[columns.numpy()], -1))
    return np.concatenate(found)
