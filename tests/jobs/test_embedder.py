import json

import numpy as np
import pytest

from common.errors import UserError
from conf.schema import Config
from data_prep.dedup.embedding import Embedder
from jobs import embedder


@pytest.fixture
def config(tmp_path, trainable):
    """300 documents and a small tokenizer."""
    config = Config()
    draw = np.random.default_rng(0)
    words = ["court", "tenant", "owner", "lease", "judge", "house", "debt", "heir", "pays", "signs", "ends", "owes"]
    rows = [{"text": " ".join(draw.choice(words, size=draw.integers(4, 20)))} for _ in range(300)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config.data.inputs = [str(tmp_path / "a.jsonl")]
    (config.data.tokenizer,) = (value.partition("=")[2] for value in trainable if value.startswith("data.tokenizer="))
    config.corpus.semantic.model = str(tmp_path / "out" / "embedder")
    config.corpus.semantic.dimensions = 8
    return config


def test_a_folder_that_embeds(config, tmp_path):
    made = embedder.run(config)
    folder = tmp_path / "out" / "embedder"
    assert (made["dimensions"], made["documents"], made["sampled"]) == (8, 300, 300)
    vectors = (
        Embedder(folder).embed(["tenant pays the owner", "tenant pays owner", "heir owes debt"]).astype(np.float32)
    )
    assert vectors.shape == (3, 8) and vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_the_same_again_does_nothing_and_other_settings_are_refused(config, tmp_path):
    first = embedder.run(config)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert embedder.run(config) == first
    config.corpus.semantic.dimensions = 9
    with pytest.raises(
        UserError, match="was learnt with dimensions=8, now 9; choose another corpus.semantic.model or remove"
    ):
        embedder.run(config)
    config.corpus.semantic.dimensions = 8
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('{"text": "more"}\n')
    with pytest.raises(UserError, match="was learnt with other text in"):
        embedder.run(config)
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}


def test_nothing_is_left_behind_by_a_failure_or_a_dry_run(config, tmp_path, capsys):
    config.dry_run = True
    assert embedder.run(config) is None and "learn 8 dimensions from 1 files" in capsys.readouterr().out
    config.dry_run = False
    config.corpus.semantic.dimensions = 400
    with pytest.raises(UserError, match="300 documents are too few"):
        embedder.run(config)
    config.data.tokenizer = str(tmp_path)
    with pytest.raises(UserError, match="there is no tokenizer.json"):
        embedder.run(config)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out" / "embedder").mkdir(parents=True)
    (tmp_path / "out" / "embedder" / "x").touch()
    config.data.tokenizer = Config().data.tokenizer
    with pytest.raises(UserError, match="there is no tokenizer.json"):
        embedder.run(config)
