"""Real decisions and statutes, and copies of them at chosen distances."""

import random

import pytest

from conf.schema.data import DataConfig
from data_prep.sources.readers import read_documents

TURKISH = {"I": "ı", "İ": "i"}


@pytest.fixture(scope="session")
def legal(shared_data) -> list[str]:
    """Every sixteenth Turkish statute and decision: about 600 documents, 4 MB."""
    path = shared_data / "tr_legal" / "train.jsonl.zst"
    return [document.text for number, document in enumerate(read_documents(path, DataConfig())) if number % 16 == 0]


def altered(text: str, share: float, words: list[str], draw: random.Random) -> str:
    """``text`` with about ``share`` of its words replaced by others."""
    return " ".join(draw.choice(words) if draw.random() < share else word for word in text.split())
