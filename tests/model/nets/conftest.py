"""A started process, and a net small enough for seconds."""

import pytest

from conf.schema import EncoderConfig, ParallelConfig
from model.megatron import startup


@pytest.fixture(autouse=True)
def started():
    """One rank, one thread, seeded."""
    startup.start(ParallelConfig(threads=1), seed=0)


@pytest.fixture
def small() -> EncoderConfig:
    """Global, local, local, global; weights large enough for tokens to matter to each other."""
    return EncoderConfig(
        vocab_size=128, num_layers=4, hidden_size=32, num_heads=4, ffn_size=48, max_positions=512, local_window=16,
        init_std=0.3,
        attention_out_dropout=0.0,
    )  # fmt: skip
