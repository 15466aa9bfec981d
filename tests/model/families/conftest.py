"""A started process."""

import pytest

from conf.schema import ParallelConfig
from model.megatron import startup


@pytest.fixture(autouse=True)
def started():
    """One rank, one thread, seeded."""
    startup.start(ParallelConfig(threads=1), seed=0)
