"""Real text for the tests of morphology."""

import io
from itertools import islice
from pathlib import Path

import orjson
import pytest
import zstandard


@pytest.fixture(scope="session")
def first_legal(shared_data: Path) -> list[str]:
    """Every tenth of the first 300 documents of Turkish legal text."""
    with (shared_data / "tr_legal" / "train.jsonl.zst").open("rb") as file:
        lines = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
        return [orjson.loads(line)["text"][:3000] for line in islice(lines, 0, 300, 10)]
