"""What the probes of all checkpoints share: the training pairs, the queries and the corpora, drawn and tokenised
once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import UserError
from common.retrieval.load import RetrievalSet, training_pairs
from conf.schema import ProbeConfig
from model.evaluation.inference.batches import Tokens
from model.evaluation.measures.retrieval.encode import Tokeniser
from model.evaluation.measures.retrieval.metrics import Judgements
from model.evaluation.measures.retrieval.search import tie_order
from model.evaluation.measures.retrieval.settings import check_readouts, readouts

EVALUATED = ("dev", "test")


@dataclass
class Corpus:
    """Documents to search, tokenised."""

    tokens: Tokens
    order: np.ndarray
    """Ranking of equal scores, from `tie_order`."""


@dataclass
class Split:
    """Queries to evaluate on."""

    query_ids: list[str]
    queries: Tokens
    judgements: Judgements
    corpus: str
    """Key of its corpus in `Prepared.corpora`."""


@dataclass
class Prepared:
    """Everything that is the same for all checkpoints."""

    queries: Tokens
    """Queries of the training pairs, one a pair."""
    documents: Tokens
    """Distinct documents of the training pairs."""
    document_of_pair: np.ndarray
    """Position [P] in ``documents`` of each pair's document."""
    splits: dict[str, Split]
    """dev and test."""
    corpora: dict[str, Corpus]
    """Distinct corpora of the splits."""
    vocab_size: int
    """Tokens that the tokenizer knows."""


def prepare(sets: dict[str, RetrievalSet], tokenizer_file: str | Path, config: ProbeConfig) -> Prepared:
    """Draw the pairs and tokenise everything once; ``sets`` come from `load_retrieval`.

    Raises UserError on settings that cannot be meant.
    """
    check_readouts(readouts(config))
    if min(config.pairs, config.batch) < 2:
        raise UserError(
            "probe.pairs and probe.batch must be 2 or more, since the negatives are the other documents of a batch"
        )
    tokenise = Tokeniser(tokenizer_file)
    special = sum(tokenise.around)
    for key in ("query_tokens", "train_document_tokens", "document_tokens"):
        if (given := getattr(config, key)) <= special:
            raise UserError(
                f"probe.{key}={given} leaves no room for text beside {special} special tokens; give {special + 1} or"
                " more"
            )
    train = sets["train"]
    pairs = training_pairs(train)
    drawn = np.random.default_rng(config.seed).permutation(len(pairs))[: config.pairs]
    queries, documents = np.array([pairs[i] for i in drawn]).T
    distinct, document_of_pair = np.unique(documents, return_inverse=True)
    corpora: dict[str, Corpus] = {}
    return Prepared(
        tokenise([train.query_texts[i] for i in queries], config.query_tokens),
        tokenise([train.doc_texts[i] for i in distinct], config.train_document_tokens),
        document_of_pair,
        {name: _split(sets, name, tokenise, corpora, config) for name in EVALUATED},
        corpora,
        tokenise.vocab_size,
    )


def _split(
    sets: dict[str, RetrievalSet], name: str, tokenise: Tokeniser, corpora: dict[str, Corpus], config: ProbeConfig
) -> Split:
    found = sets[name]
    corpus = next(split for split in EVALUATED if sets[split].doc_ids is found.doc_ids)
    if corpus not in corpora:
        corpora[corpus] = Corpus(tokenise(found.doc_texts, config.document_tokens), tie_order(found.doc_ids))
    kept = evaluated_queries(found, config)
    ids = [found.query_ids[i] for i in kept]
    queries = tokenise([found.query_texts[i] for i in kept], config.query_tokens)
    return Split(ids, queries, Judgements(found.qrels, ids, found.doc_ids), corpus)


def evaluated_queries(found: RetrievalSet, config: ProbeConfig) -> np.ndarray:
    """Positions of the queries that are evaluated, ascending: all, or ``max_queries`` drawn with the probe's seed."""
    count = len(found.query_ids)
    if not 0 < config.max_queries < count:
        return np.arange(count)
    return np.sort(np.random.default_rng(config.seed).permutation(count)[: config.max_queries])
