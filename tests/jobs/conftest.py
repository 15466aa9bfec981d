"""The small run with checkpoints of `tests/model/evaluation/conftest.py`, for the jobs that read it; prepared text and
a net to train on it."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jobs import prepare, tokenizer
from jobs.launch.compose import compose, to_config
from tests.processes import run_python

NET = [
    "model.num_layers=2", "model.hidden_size=32", "model.num_heads=2", "model.ffn_size=48", "model.vocab_size=320",
    "model.max_positions=64", "model.attention_out_dropout=0.2", "model.embedding_dropout=0.1",
]  # fmt: skip

HERE = Path(__file__).parent
_FILE = HERE.parent / "model" / "evaluation" / "conftest.py"
_spec = importlib.util.spec_from_file_location("evaluation_fixtures", _FILE)
_shared = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_shared)

retrieval_folder, tokenizer_folder, encoders = _shared.retrieval_folder, _shared.tokenizer_folder, _shared.encoders
make_checkpoint, run_folder, sweep_config = _shared.make_checkpoint, _shared.run_folder, _shared.sweep_config


@pytest.fixture(scope="session")
def trainable(tmp_path_factory) -> list[str]:
    """Overrides for a small net with dropout on text of 60 kB that went through `jobs.tokenizer` and `jobs.prepare`;
    runs go aside."""
    folder = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    words = [
        "court",
        "tenant",
        "owner",
        "lease",
        "judge",
        "house",
        "debt",
        "heir",
        "pays",
        "signs",
        "ends",
        "owes",
        "the",
        "a",
    ]
    with (folder / "text.jsonl").open("w") as file:
        for _ in range(200):
            file.write(json.dumps({"text": " ".join(rng.choice(words, size=rng.integers(5, 90)))}) + "\n")
    data = [
        f"data.inputs=['{folder}/text.jsonl']",
        f"data.tokenizer={folder}/tokenizer",
        f"data.tokens={folder}/tokens",
    ]
    tokenizer.run(to_config(compose("tokenizer", [*data, "tokenizer.vocab_size=300"])))
    prepare.run(to_config(compose("prepare", data)))
    return [f"runs_dir={folder}/runs", *data, *NET]


@pytest.fixture(scope="session")
def python_script() -> Callable[..., list[str]]:
    """Runs a script of this folder with arguments in a process of its own; the lines it prints."""

    def run(script: str, *arguments: str) -> list[str]:
        done = run_python([HERE / script, *arguments], timeout=280)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.splitlines()

    return run
