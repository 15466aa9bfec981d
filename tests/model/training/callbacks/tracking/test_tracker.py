"""Trackers hold what metrics.jsonl holds, once a step; none is imported unasked, and none ends a training."""

import ast
import dataclasses
import importlib.util
import json
from types import SimpleNamespace

import pytest

from common.errors import UserError
from conf.schema import Config, ContainerConfig
from conf.schema.tracking import MlflowConfig, TrackingConfig, WandbConfig
from model.training.callbacks.tracking.tracker import PACKAGES, Tracker, check_tracking, identity, scalars
from tests.test_imports import FILES


class Listed(Tracker):
    """Keeps what it is sent; out of order while `broken`."""

    def __init__(self, metrics, last_step=-1):
        super().__init__(SimpleNamespace(), metrics)
        self.known, self.sent, self.broken, self.finished = last_step, [], False, []

    def open(self):
        if self.broken:
            raise ConnectionError("no route to host\nand more")
        return self.known

    def send(self, step, values):
        if self.broken:
            raise ConnectionError("no route to host\nand more")
        self.sent.append((step, values))

    def finish(self):
        self.finished.append(self.status)


@pytest.fixture
def metrics(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text("")
    return file


def write(file, *steps, end="\n"):
    with file.open("a") as stream:
        stream.writelines(json.dumps({"step": step, "loss": step / 2, "phase": "all"}) + end for step in steps)


def loop(step=0, total=9):
    return SimpleNamespace(state=SimpleNamespace(step=step), total=total)


def test_each_line_once_and_only_whole_ones(metrics):
    tracker = Listed(metrics, last_step=2)
    write(metrics, 1, 2, 3)
    tracker.start(loop())
    tracker.step(loop(), {})
    write(metrics, 4, end="")
    tracker.step(loop(), {})
    assert [step for step, _ in tracker.sent] == [3]
    write(metrics, end="")
    with metrics.open("a") as stream:
        stream.write("\n")
    tracker.step(loop(), {})
    assert tracker.sent == [(3, {"step": 3, "loss": 1.5}), (4, {"step": 4, "loss": 2.0})]


@pytest.mark.parametrize(("step", "status"), [(9, "finished"), (5, "interrupted"), (None, "failed")])
def test_how_the_attempt_ended(metrics, step, status):
    tracker = Listed(metrics)
    tracker.start(loop())
    write(metrics, 1)
    if step is not None:
        tracker.end(loop(step))
    tracker.close()
    tracker.close()
    assert tracker.finished == [status] and len(tracker.sent) == 1


def test_a_tracker_that_fails_costs_a_warning(metrics, capsys):
    tracker = Listed(metrics)
    tracker.broken = True
    tracker.start(loop())
    for step in (1, 2):
        write(metrics, step)
        tracker.step(loop(), {})
    said = capsys.readouterr()
    assert (said.out + said.err).count("took nothing") == 1 and "no route to host" in said.out + said.err
    tracker.broken, tracker.paused_until = False, 0.0
    write(metrics, 3)
    tracker.step(loop(), {})
    assert [step for step, _ in tracker.sent] == [1, 2, 3]


def test_numbers_by_name():
    line = {
        "step": 3,
        "phase": "all",
        "loss": 0.5,
        "skipped": True,
        "mfu": None,
        "loss_by_source": {"law": 1, "web": 2.5},
    }
    assert dict(scalars(line)) == {"step": 3, "loss": 0.5, "loss_by_source/law": 1, "loss_by_source/web": 2.5}


def test_the_identity_is_that_of_the_run(tmp_path):
    def run(created, name, folder):
        return SimpleNamespace(manifest={"created": created}, config={"name": name}, folder=tmp_path / folder)

    first = identity(run("2026-12-01T10:00:00Z", "mine", "seed_0"))
    assert first == identity(run("2026-12-01T10:00:00Z", "mine", "seed_0")) and len(first) == 16
    others = [run("2026-12-01T10:00:01Z", "mine", "seed_0"), run("2026-12-01T10:00:00Z", "mine", "seed_1")]
    assert first not in map(identity, others)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_is_missing_is_one_sentence(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    monkeypatch.delenv("TERZI_SNAPSHOT", raising=False)
    asked = {"wandb": WandbConfig(name == "wandb"), "mlflow": MlflowConfig(name == "mlflow")}
    config = Config(tracking=TrackingConfig(**asked))
    with pytest.raises(
        UserError, match=f"^tracking.{name}.enabled=true needs the package {name}, .*; pip install {name}"
    ):
        check_tracking(config)
    check_tracking(Config())
    container = ContainerConfig(kind="pyxis", image="terzi.sqsh")
    check_tracking(dataclasses.replace(config, cluster=dataclasses.replace(config.cluster, container=container)))


def test_no_file_imports_a_tracker_before_it_is_asked_for():
    def at_import(tree):
        for node in tree.body:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module or ""

    for file in FILES:
        modules = {module.split(".")[0] for module in at_import(ast.parse(file.read_text()))}
        assert not modules & set(PACKAGES), file
