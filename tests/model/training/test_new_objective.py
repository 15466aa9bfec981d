"""A new objective over another kind of data than packed tokens, pairs of a .jsonl file: one file, a schema, and two
lines."""

import contextlib
import dataclasses
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from megatron.core.utils import get_attr_wrapped_model
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common.errors import UserError
from common.files import digest, digest_of
from conf.schema import EncoderConfig, ObjectiveConfig
from conf.schema.choice import choice
from conf.schema.objective import OBJECTIVES as SCHEMAS
from conf.schema.replace import with_value
from jobs import train
from model.megatron.metrics import Record, Reduce, unrecorded
from model.nets.pack import Pack
from model.objectives.objective import Objective
from model.objectives.registry import OBJECTIVES
from model.training.checkpoints.checkpoints import list_checkpoints, set_link
from model.training.data.source import DataOrder, DataSource
from model.training.run.config import load_config
from tests.processes import run_ranks

HELD_OUT = 8


@dataclass
class ClosenessConfig(ObjectiveConfig):
    kind: str = choice("closeness")
    nets: ClassVar = (EncoderConfig,)


@dataclass
class PairOrder(DataOrder):
    folder: Path
    digest: str
    seed: int
    rows: list[list[list[int]]]
    validation_items: int = HELD_OUT

    def __len__(self) -> int:
        return len(self.rows) - HELD_OUT

    def sample(self, item: int, index: int) -> list[np.ndarray]:
        return [np.array(side) for side in self.rows[item]]

    def validation_sample(self, item: int) -> list[np.ndarray]:
        return self.sample(len(self) + item, item)

    def sequence_lengths(self, items: np.ndarray) -> np.ndarray:
        return np.array([len(side) for item in items for side in self.rows[item]])


@dataclass(frozen=True)
class Pairs(DataSource):
    folder: Path
    digests: dict[str, str]
    rows: list[list[list[int]]]

    @classmethod
    def open(cls, config, phase, index):
        file = Path(phase.data) / "pairs.jsonl"
        return cls(file.parent, {file.name: digest(file)}, [json.loads(line) for line in file.open()])

    def plan(self, config, phase, index, drafts):
        seed = config.seed + phase.number
        return PairOrder(self.folder, digest_of([self.digests, seed]), seed, self.rows)


class Closeness(Objective):
    """Bring the mean states of both sides of a pair together."""

    source, unit = Pairs, "pairs"

    @classmethod
    def build(cls, config, order):
        return cls()

    def batch(self, samples, train, phase=0):
        return Pack.from_documents([side for pair in samples for side in pair])

    def loss(self, model, batch, record: Record = unrecorded):
        _, states = get_attr_wrapped_model(model, "hidden")(batch)
        means = torch.stack([part.mean(0) for part in states.split(batch.lengths)])
        cosine = torch.nn.functional.cosine_similarity(means[0::2], means[1::2])
        record("cosine", cosine.sum())
        record("farthest", (1 - cosine).max(), Reduce.MAX)
        return (1 - cosine).sum(), torch.tensor(len(cosine))

    def head_positions(self, count: int) -> int:
        return 0


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """The two lines: one in `conf/schema/objective.py`, one in `model/objectives/registry.py`."""
    SCHEMAS.append(ClosenessConfig)
    OBJECTIVES[ClosenessConfig] = f"{__name__}:Closeness"
    yield
    SCHEMAS.remove(ClosenessConfig)
    OBJECTIVES.pop(ClosenessConfig)


@pytest.fixture
def pairs(config, tmp_path):
    """A configuration of the new objective, and its data."""
    draw = np.random.default_rng(0)
    rows = [[draw.integers(5, 300, draw.integers(3, 20)).tolist() for _ in range(2)] for _ in range(60)]
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    saves = dataclasses.replace(config.train.checkpoint, resume_every_steps=3, keep_last=9)
    config = with_value(with_value(config, "train.checkpoint", saves), "data.tokens", str(tmp_path / "pairs"))
    with registered():
        yield dataclasses.replace(config, objective=ClosenessConfig("closeness"))


def elsewhere(config, run: str):
    return dataclasses.replace(config, run=run, run_dir=str(Path(config.run_dir).with_name(run)))


def series(metrics, config) -> list[dict]:
    timed = ("seconds", "tokens_per_second", "pairs_per_second", "mfu")
    return [{key: value for key, value in line.items() if key not in timed} for line in metrics(config.run_dir)]


def test_trains_reports_resumes_and_is_the_same_on_two_ranks(pairs, metrics, capsys):
    train.run(dataclasses.replace(pairs, dry_run=True))
    assert "tokens in 52 samples" in capsys.readouterr().out
    assert train.run(pairs)["status"] == "finished"
    whole = series(metrics, pairs)
    assert whole[-1]["loss"] < whole[0]["loss"] and whole[-1]["samples"] == 48
    for line in whole:
        assert line["cosine"] == pytest.approx(1 - line["loss"], rel=1e-5)
        assert line["loss"] < line["farthest"] < 4 * line["loss"]  # four pairs a step
    assert whole[-1].keys() >= {"validation_loss", "validation_cosine", "validation_farthest"}
    assert metrics(pairs.run_dir)[-1]["pairs_per_second"] > 0
    tags = EventAccumulator(f"{pairs.run_dir}/tb/train").Reload().Tags()["scalars"]
    assert {"train/cosine", "train/farthest", "validation/cosine", "speed/pairs_per_second"} <= set(tags)

    again = elsewhere(pairs, "again")
    shutil.copytree(pairs.run_dir, again.run_dir, symlinks=True)
    for checkpoint in list_checkpoints(again.run_dir):
        if checkpoint.step > 6:
            shutil.rmtree(checkpoint.folder)
    set_link(again.run_dir, "last", 6)
    train.run(again)
    assert series(metrics, again) == whole

    two = elsewhere(pairs, "two")
    done = run_ranks([__file__, pairs.run_dir, two.run_dir])
    assert done.returncode == 0, done.stderr[-3000:]
    for ours, theirs in zip(series(metrics, two), whole, strict=True):
        assert ours == pytest.approx(theirs, rel=2e-6)


def test_other_pairs_are_refused(pairs):
    pairs = with_value(with_value(pairs, "optim.schedule.kind", "constant"), "train.steps", 3)
    train.run(pairs)
    file = Path(pairs.data.tokens) / "pairs.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(UserError, match="pairs.jsonl is not what the run"):
        train.run(with_value(pairs, "train.steps", 4))


if __name__ == "__main__":
    with registered():
        train.run(dataclasses.replace(load_config(sys.argv[1]), run="two", run_dir=sys.argv[2]))
