"""A small corpus with tokenizer and tokens, made through the jobs, for the two-step test of every recipe."""

import json
from pathlib import Path

import pytest

from jobs import prepare, tokenizer
from jobs.launch.compose import compose, to_config

STANDARD_LIBRARY = Path(json.__file__).parent.parent


@pytest.fixture(scope="session")
def small_tokens(tmp_path_factory) -> list[str]:
    """Overrides that point a recipe's `data` at a tokenizer and tokens made from sources of the standard library."""
    folder = tmp_path_factory.mktemp("recipe_data")
    for path in sorted(STANDARD_LIBRARY.glob("a*.py")):
        (folder / f"{path.stem}.txt").write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    overrides = [
        f"data.inputs=['{folder}/*.txt']",
        f"data.tokenizer={folder}/tokenizer",
        f"data.tokens={folder}/tokens",
    ]
    config = to_config(compose("prepare", [*overrides, "tokenizer.vocab_size=1000"]))
    tokenizer.run(config)
    prepare.run(config)
    return overrides
