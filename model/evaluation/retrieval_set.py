"""Retrieval sets, as evaluation sees them; they are read by `common.retrieval`."""

from common.retrieval.draw import split_of
from common.retrieval.layout import SPLITS
from common.retrieval.load import RetrievalSet, check_retrieval, digest_retrieval, load_retrieval, training_pairs

__all__ = [
    "SPLITS",
    "RetrievalSet",
    "check_retrieval",
    "digest_retrieval",
    "load_retrieval",
    "split_of",
    "training_pairs",
]
