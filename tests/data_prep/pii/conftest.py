"""Real text for the tests of personal data."""

import io
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import orjson
import pytest
import zstandard


@pytest.fixture(scope="session")
def first_texts(shared_data: Path) -> Callable[[str], list[str]]:
    """The first 400 texts of a set."""

    def read(name: str) -> list[str]:
        with (shared_data / name / "train.jsonl.zst").open("rb") as file:
            lines = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
            return [orjson.loads(line)["text"] for line in islice(lines, 400)]

    return read
