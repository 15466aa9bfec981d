"""metrics.jsonl: valid JSON, and each step once after a resume."""

import json
import math
from types import SimpleNamespace

import pytest

from model.training.callbacks.metrics import Metrics, cut_after
from model.training.callbacks.step_record import StepRecord


def write(file, steps: range, every: int = 1, start: int = -1) -> None:
    """Log ``steps`` of a run that goes on after ``start``."""
    loop = SimpleNamespace(state=SimpleNamespace(step=max(0, start)), resumed=start >= 0, total=10)
    callback = Metrics(file, every)
    callback.start(loop)
    for step in steps:
        callback.step(loop, StepRecord(step, flops=1, metrics={"train/loss": step / 3}))
    callback.close()


def steps_in(file) -> list[int]:
    return [json.loads(line)["step"] for line in file.read_text().splitlines()]


def test_every_so_many_steps_and_the_last(tmp_path):
    file = tmp_path / "metrics.jsonl"
    write(file, range(1, 11), every=4)
    assert steps_in(file) == [4, 8, 10]
    assert json.loads(file.read_text().splitlines()[0]) == {"step": 4, "loss": 4 / 3}


def test_a_resume_cuts_what_comes_after_it(tmp_path):
    file = tmp_path / "metrics.jsonl"
    write(file, range(1, 8))
    with file.open("a") as stream:
        stream.write('{"step": 8, "lo')  # a crash in the middle of a line
    write(file, range(6, 11), start=5)
    assert steps_in(file) == list(range(1, 11))


def test_a_start_from_nothing_begins_anew(tmp_path):
    file = tmp_path / "metrics.jsonl"
    write(file, range(0, 4))
    write(file, range(1, 3))
    assert steps_in(file) == [1, 2]


def test_held_out_loss_has_its_line(tmp_path):
    file = tmp_path / "metrics.jsonl"
    loop = SimpleNamespace(state=SimpleNamespace(step=0), resumed=False, total=10)
    callback = Metrics(file, 5)
    callback.start(loop)
    callback.step(loop, StepRecord(0, metrics={"validation/loss": 9.0}))
    callback.step(loop, StepRecord(1, metrics={"train/loss": 8.0}))
    callback.step(loop, StepRecord(2, metrics={"train/loss": 7.0, "validation/loss": 7.5}))
    callback.close()
    assert steps_in(file) == [0, 2]


def test_nan_is_never_written(tmp_path):
    loop = SimpleNamespace(state=SimpleNamespace(step=0), resumed=False, total=10)
    callback = Metrics(tmp_path / "metrics.jsonl", 1)
    callback.start(loop)
    with pytest.raises(ValueError, match="not JSON compliant"):
        callback.step(loop, StepRecord(1, metrics={"train/loss": float("nan")}))
    callback.close()


def test_cut_of_nothing(tmp_path):
    cut_after(tmp_path / "metrics.jsonl", 3)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_every_name_has_its_key(tmp_path):
    """No list of names: what is recorded is written."""
    record = StepRecord(7, phase="law")
    for name, value in {"train/loss": 2.0, "train/mine": 3.0, "speed/mfu": None, "validation/loss": math.inf}.items():
        record(name, value)
    for source in ("web", "law/old"):
        record(f"train/loss_by_source/{source}", 1.0)
    assert record.line() == {
        "step": 7, "phase": "law", "loss": 2.0, "mine": 3.0, "mfu": None, "validation_loss": None,
        "loss_by_source": {"web": 1.0, "law/old": 1.0},
    }  # fmt: skip
