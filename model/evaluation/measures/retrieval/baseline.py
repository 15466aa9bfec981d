"""BM25 beside the encoder: on whole documents, and on the part of them that the encoder sees."""

from pathlib import Path

from common.errors import UserError
from common.files import digest_of, read_json, write_json
from common.layout import RESULTS
from common.retrieval.load import RetrievalSet
from conf.schema import ProbeConfig
from model.evaluation.measures.retrieval.bm25 import bm25_search
from model.evaluation.measures.retrieval.metrics import DEPTH, evaluate
from model.evaluation.measures.retrieval.prepared import Prepared, evaluated_queries

SPLIT = "test"


def bm25_digest(retrieval: str, tokenizer: str, prefix: int, config: ProbeConfig) -> str:
    """What the baseline depends on; ``retrieval`` and ``tokenizer`` are digests."""
    return digest_of([retrieval, tokenizer, prefix, config.document_tokens, config.max_queries, config.seed])


def read_bm25(run: str | Path, digest: str) -> dict[str, dict[str, float]] | None:
    """Means on the test queries by variant, None where they were not measured or with something else."""
    try:
        document = read_json(_file(run))
    except UserError:
        return None
    return document["metrics"] if document.get("digest") == digest else None


def measure_bm25(
    run: str | Path, found: RetrievalSet, prepared: Prepared, prefix: int, config: ProbeConfig, digest: str
) -> dict[str, dict[str, float]]:
    """Measure BM25 on the test queries of ``found``, write eval/bm25.json, and return the means: variant -> metric ->
    value."""
    kept = evaluated_queries(found, config)
    queries = [found.query_texts[i] for i in kept]
    split = prepared.splits[SPLIT]
    shown = prepared.corpora[split.corpus].tokens.shown
    variants = {
        "full text": found.doc_texts,
        f"{config.document_tokens} tokens": [text[:end] for text, end in zip(found.doc_texts, shown, strict=True)],
    }
    metrics = {}
    for name, documents in variants.items():
        ranking = bm25_search(queries, documents, found.doc_ids, prefix, DEPTH)
        metrics[name] = {metric: float(values.mean()) for metric, values in evaluate(ranking, split.judgements).items()}
    write_json(_file(run), {"kind": "bm25", "split": SPLIT, "prefix": prefix, "metrics": metrics, "digest": digest})
    return metrics


def _file(run: str | Path) -> Path:
    return Path(run) / RESULTS / "bm25.json"
