"""Small text and a small tokenizer."""

import random
from pathlib import Path

import pytest

from conf.schema.data import TokenizerConfig
from data_prep.tokenizer.train import save, train

SYLLABLES = [
    "ka",
    "le",
    "ri",
    "ın",
    "şe",
    "ço",
    "gü",
    "da",
    "ğı",
    "lar",
    "ler",
    "in",
    "the",
    "con",
    "ümü",
    "él",
    "12",
    ".",
    "'",
    "\n",
]


def sentences(count: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    words = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(400)]
    return [" ".join(draw.choices(words, k=draw.randint(3, 40))) for _ in range(count)]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return sentences(400)


@pytest.fixture(scope="session")
def small_tokenizer(texts, tmp_path_factory) -> Path:
    """Folder of a tokenizer with 500 tokens, MLM tokens among them."""
    folder = tmp_path_factory.mktemp("tokenizer")
    config = TokenizerConfig(vocab_size=500)
    save(train(texts, config), config, folder)
    return folder
