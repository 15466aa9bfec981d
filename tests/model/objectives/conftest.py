"""A started process and a byte-level tokenizer of real merges."""

import random
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from common.files import write_json
from conf.schema import ParallelConfig
from model.megatron import startup

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SYLLABLES = ["ka", "nun", "lar", "mah", "ke", "me", "si", "ğı", "çö", "züm", "dava", "lı", "ﬁ", "đ", "日本"]


@pytest.fixture(autouse=True)
def started():
    """One rank, one thread, seeded."""
    startup.start(ParallelConfig(threads=1), seed=0)


def text(seed: int, words: int) -> str:
    """Words of some syllables with letters of one, two and three bytes."""
    draw = random.Random(seed)
    return " ".join("".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(words))


@pytest.fixture(scope="session")
def sample_text():
    """See `text`."""
    return text


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory) -> Path:
    """As `jobs.tokenizer` writes it, with too few merges for most words."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = [AddedToken(token, special=True) for token in SPECIAL]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text(seed, 100) for seed in range(5)], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"mask_token": "[MASK]", "pad_token": "[PAD]"})
    return folder
