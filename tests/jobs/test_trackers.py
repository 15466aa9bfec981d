"""W&B and MLflow, as they are installed, hold the metrics of a run of two attempts as one run."""

import json
import math
import shutil
import struct
from pathlib import Path

import pytest

from jobs import train
from jobs.launch.compose import compose, to_config
from model.training.callbacks.tracking.tracker import scalars

SETTINGS = [
    "train.seq_length=64", "train.global_batch=4", "train.micro_batch=4", "train.validation_fraction=0.05",
    "train.eval_packs=2", "train.eval_every_steps=4", "train.checkpoint.probe_at_start=false",
    "train.checkpoint.probe_share=0",
    "train.checkpoint.resume_every_steps=4", "train.checkpoint.keep_last=9", "train.steps=10",
    "train.checkpoint.resume_every_minutes=0", "parallel.threads=1",
    "optim.schedule.kind=constant",
]  # fmt: skip
KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def two_attempts(trainable, monkeypatch):
    """``two_attempts(name, override, ...)``: a run of ten steps; its later checkpoints were lost, so steps 5 to 10
    are made twice."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", KEY)

    def run(name: str, *overrides: str) -> Path:
        config = to_config(compose("train", [*trainable, *SETTINGS, *overrides, f"name={name}"]))
        train.run(config)
        folder = Path(config.run_dir)
        for step in (8, 10):
            shutil.rmtree(folder / "checkpoints" / f"step_{step:07}")
        train.run(config)
        assert json.loads((folder / "manifest.json").read_text())["attempts"][1]["from_step"] == 4
        return folder

    return run


def lines(folder: Path) -> dict[int, dict[str, float]]:
    """Step -> numbers of metrics.jsonl."""
    written = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: dict(scalars(line)) for line in written}


def without_time(values: dict[str, float]) -> dict[str, float]:
    """What does not depend on the clock, which a step that is made twice reads twice."""
    return {name: value for name, value in values.items() if "second" not in name}


def files_with(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def wandb_records(file: Path):
    """Records of a .wandb file: a log in LevelDB's format (7 bytes of its own, then blocks of 32 KiB), of protobuf."""
    from wandb.proto import wandb_internal_pb2

    data, position, whole = file.read_bytes(), 7, b""
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        whole += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def test_wandb_holds_one_run_with_the_values_of_metrics(two_attempts):
    pytest.importorskip("wandb", reason="wandb is not installed: pip install wandb")
    folder = two_attempts("tracked/wandb", "tracking.wandb.enabled=true", "tracking.wandb.tags=[small]")
    (offline,) = (folder / "wandb").glob("offline-run-*")  # the first attempt's has gone, the second's holds all
    (file,) = offline.glob("*.wandb")
    records = list(wandb_records(file))
    (run,) = (record.run for record in records if record.WhichOneof("record_type") == "run")
    assert run.project == "tracked-wandb" and run.display_name == "tracked/wandb/seed_0" and list(run.tags) == ["small"]
    assert offline.name.endswith(run.run_id)
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["optim"]["schedule"]["kind"] == "constant" and config["seed"] == 0
    rows = {}
    for record in records:
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            rows[items["_step"]] = {name: value for name, value in items.items() if not name.startswith("_")}
    assert rows == lines(folder)
    assert not files_with(folder, KEY)
    assert not (folder / "config.yaml").read_text().count("tracking")


def test_mlflow_holds_one_run_with_the_values_of_metrics(two_attempts):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install mlflow")
    folder = two_attempts("tracked/mlflow", "tracking.mlflow.enabled=true")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder.resolve()}/mlflow.db")
    (experiment,) = (one for one in client.search_experiments() if one.name != "Default")
    assert experiment.name == "tracked/mlflow"
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED" and run.data.params["optim.schedule.kind"] == "constant"
    wanted, rows = lines(folder), {}
    for name in run.data.metrics:
        for point in client.get_metric_history(run.info.run_id, name):
            assert name not in rows.setdefault(point.step, {}), f"{name} of step {point.step} twice"
            rows[point.step][name] = point.value
    assert {step: without_time(values) for step, values in rows.items()} == {
        step: without_time(values) for step, values in wanted.items()
    }
    assert all(math.isfinite(value) for values in rows.values() for value in values.values())
    assert not files_with(folder, KEY)
    assert not Path("mlruns").exists()
