"""A run folder in which somebody works is not begun anew by another configuration."""

import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest
import yaml

from common.errors import UserError
from common.fence import Fence
from jobs import train
from jobs.launch.compose import compose, to_config
from model.training.run.config import freeze
from slurm.submission import Array, Point
from slurm.submit import prepare
from tests.processes import DEVNULL, Process, ended

COURSE = [
    "train.steps=5000", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2",
    "train.validation_fraction=0.05",
    "train.checkpoint.probe_at_start=false", "train.checkpoint.probe_share=0",
    "train.checkpoint.resume_every_minutes=0", "parallel.threads=1",
    "optim.schedule.warmup_steps=1", "name=occupied",
]  # fmt: skip


def config(trainable: list[str], run: str, *overrides: str):
    return to_config(compose("train", [*trainable, *COURSE, f"run={run}", *overrides]))


def started(trainable: list[str], run: str) -> Process:
    """A training that makes steps, and no checkpoint."""
    command = ["-m", "jobs.train", *trainable, *COURSE, f"run={run}"]
    process = Process(command, stdout=DEVNULL, stderr=DEVNULL)
    file = Path(config(trainable, run).run_dir) / "metrics.jsonl"
    while process.poll() is None and not (file.is_file() and len(file.read_text().splitlines()) > 3):
        time.sleep(0.02)
    return process


def test_one_that_runs_is_left_alone_and_one_that_was_killed_is_not(trainable):
    with ended(started(trainable, "alive")) as process:
        folder = Path(config(trainable, "alive").run_dir)
        owner = (folder / "owner.json").read_bytes()
        for more in (["optim.lr=1e-3"], ["optim.lr=1e-3", "dry_run=true"]):
            with pytest.raises(
                UserError, match=rf"is trained with another configuration .*optim.lr: .*process {process.pid} on"
            ):
                train.run(config(trainable, "alive", *more))
        assert (folder / "owner.json").read_bytes() == owner and process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert train.run(config(trainable, "alive", "train.steps=4"))["status"] == "finished"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (len(manifest["attempts"]), manifest["step"]) == (1, 4)


def test_one_that_waits_in_the_queue_is_left_alone(trainable, tmp_path, monkeypatch):
    """Whether it has begun before, or not yet; the same configuration, as a chain of jobs has it, may begin."""
    (tmp_path / "bin").mkdir()
    for name, says in {"sbatch": ":", "srun": ":", "sacct": ":", "squeue": f"cat {tmp_path}/queue"}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{says}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "queue").write_text("12_0|PENDING|Priority|N/A\n")
    runs = f"runs_dir={tmp_path}/runs"
    queued = config(trainable, "queued", runs, "train.steps=4")
    (submission,) = prepare("train", [Point(queued, queued.run_dir, "")]).submissions
    submission.queued([Array("12", 0, 1)])
    other = config(trainable, "queued", runs, "train.steps=4", "optim.lr=1e-3")
    for _ in range(2):
        with pytest.raises(
            UserError,
            match=(
                r"is queued or trained as job 12_0 with another configuration \(optim.lr: \S+ -> 0.001\); choose"
                r" another run="
            ),
        ):
            train.run(other)
        Path(queued.run_dir).mkdir(parents=True, exist_ok=True)
        (Path(queued.run_dir) / "config.yaml").write_text(yaml.safe_dump(freeze(queued)))
    assert train.run(queued)["status"] == "finished"
    shutil.rmtree(queued.run_dir)
    (tmp_path / "queue").write_text("")
    assert train.run(other)["status"] == "finished"


@pytest.mark.parametrize(
    ("status", "owner", "taken"),
    [
        ("running", {"host": "elsewhere"}, False),  # nobody can say, so it is believed
        ("failed", {"host": "elsewhere"}, True),
        ("failed", {"host": "elsewhere", "pid": 7}, False),  # another attempt has claimed the folder since
        ("running", {"born": 1.0}, True),  # another process has that number by now
        ("running", {}, False),
    ],
)
def test_who_is_believed_to_work(trainable, status, owner, taken):
    one = config(
        trainable, f"believed_{status}_{len(owner)}_{taken}_{owner.get('host')}_{owner.get('pid')}", "train.steps=4"
    )
    folder = Path(one.run_dir)
    Fence(folder).claim(1)
    file = folder / "owner.json"
    known = json.loads(file.read_text()) | {"pid": os.getppid(), "born": psutil.Process(os.getppid()).create_time()}
    last = {"number": 1, "pid": os.getppid(), "host": owner.get("host", socket.gethostname())}
    file.write_text(json.dumps(known | owner))
    (folder / "config.yaml").write_text(yaml.safe_dump(freeze(config(trainable, "x", "train.steps=9"))))
    (folder / "manifest.json").write_text(json.dumps({"kind": "run", "status": status, "attempts": [last]}))
    if taken:
        assert train.run(one)["status"] == "finished"
    else:
        before = sorted(folder.rglob("*"))
        with pytest.raises(UserError, match="choose another run=<name>, or stop that and remove"):
            train.run(one)
        assert sorted(folder.rglob("*")) == before
