"""Curves and hyperparameters as TensorBoard reads them."""

import json
from types import SimpleNamespace

import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.training.callbacks.hparams import lowest_validation, write_hparams
from model.training.callbacks.step_record import StepRecord
from model.training.callbacks.tensorboard import TensorBoard


def attempt(folder, resumed_at: int | None, steps: range, scale: float) -> None:
    loop = SimpleNamespace(state=SimpleNamespace(step=resumed_at or 0), resumed=resumed_at is not None, total=99)
    callback = TensorBoard(folder, 1)
    callback.start(loop)
    for step in steps:
        callback.step(
            loop, StepRecord(step, metrics={"train/loss": step * scale, "train/mine": 0.1, "train/none": None})
        )
    callback.close()


def test_each_step_once_after_a_resume(tmp_path):
    attempt(tmp_path, None, range(1, 9), scale=1.0)
    attempt(tmp_path, 5, range(6, 11), scale=2.0)  # within the same second as the first
    read = EventAccumulator(str(tmp_path)).Reload()
    events = read.Scalars("train/loss")
    assert [(event.step, event.value) for event in events] == [(s, s * (1.0 if s <= 5 else 2.0)) for s in range(1, 11)]
    assert read.Tags()["scalars"] == ["train/loss", "train/mine"]


def test_a_start_from_nothing_voids_what_was_there(tmp_path):
    attempt(tmp_path, None, range(1, 4), scale=1.0)
    attempt(tmp_path, None, range(1, 3), scale=3.0)
    assert [event.value for event in EventAccumulator(str(tmp_path)).Reload().Scalars("train/loss")] == [3.0, 6.0]


def test_the_lowest_validation_loss_has_its_step(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1, "loss": 1.0}\n')
    assert lowest_validation(file) is None
    lines = [
        {"step": 0, "validation_loss": 4.0},
        {"step": 5, "validation_loss": 3.0},
        {"step": 6, "validation_loss": None},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"step": 9, "validation_loss": 3.5}]))
    assert lowest_validation(file) == (5, 3.0)


def test_hparams_hold_configuration_and_the_last_score(tmp_path):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    tree = {
        "seed": 3, "model": {"num_layers": 2, "norm": "layernorm"}, "objective": {"mask_rate": 0.3},
        "optim": {"lr": 0.01, "schedule": {"kind": "wsd"}}, "parallel": {"threads": 1},
        "train": {"steps": 9, "branch_from": None, "checkpoint": {"keep_last": 2}},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "events.theirs").write_text("do not lose")
    (tmp_path / "tb").mkdir()
    (tmp_path / "tb" / "hparams").symlink_to(theirs)
    write_hparams(tmp_path, {"validation/loss": (4, 4.0)})
    assert [path.name for path in theirs.iterdir()] == ["events.theirs"]
    write_hparams(tmp_path, {"validation/loss": (9, 3.5), "retrieval/ndcg@10/dev/cat": (6, 0.25)})
    found = EventAccumulator(str(tmp_path / "tb" / "hparams")).Reload()
    assert [(event.step, event.value) for event in found.Scalars("retrieval/ndcg@10/dev/cat")] == [(6, 0.25)]
    assert [(event.step, event.value) for event in found.Scalars("validation/loss")] == [(9, 3.5)]
    start = HParamsPluginData.FromString(
        found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    ).session_start_info
    values = {key: value.number_value or value.string_value for key, value in start.hparams.items()}
    assert values == {
        "seed": 3, "model.num_layers": 2, "model.norm": "layernorm", "objective.mask_rate": 0.3, "optim.lr": 0.01,
        "optim.schedule.kind": "wsd", "parallel.threads": 1, "train.steps": 9,
    }  # fmt: skip
