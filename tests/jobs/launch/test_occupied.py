"""A run folder in which somebody works is not begun anew by another configuration."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from common.errors import UserError
from common.fence import Fence
from jobs import train
from jobs.cli import compose, to_config
from model.training.run import freeze

ROOT = Path(__file__).resolve().parents[3]
COURSE = [
    "train.steps=5000", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2", "train.heldout_fraction=0.05",
    "train.save.probe_at_start=false", "train.save.probe_share=0", "train.save.resume_every_minutes=0", "parallel.threads=1",
    "optim.schedule.warmup_steps=1", "name=occupied",
]  # fmt: skip


def config(trainable: list[str], run: str, *overrides: str):
    return to_config(compose("train", [*trainable, *COURSE, f"run={run}", *overrides]))


def started(trainable: list[str], run: str) -> subprocess.Popen:
    """A training that makes steps, and no save."""
    command = [sys.executable, "-m", "jobs.train", *trainable, *COURSE, f"run={run}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    file = Path(config(trainable, run).run_dir) / "metrics.jsonl"
    while process.poll() is None and not (file.is_file() and len(file.read_text().splitlines()) > 3):
        time.sleep(0.02)
    return process


def test_one_that_runs_is_left_alone_and_one_that_was_killed_is_not(trainable):
    with started(trainable, "alive") as process:
        folder = Path(config(trainable, "alive").run_dir)
        owner = (folder / "owner.json").read_bytes()
        for more in (["optim.lr=1e-3"], ["optim.lr=1e-3", "dry_run=true"]):
            with pytest.raises(UserError, match=rf"is trained with another configuration .*optim.lr: .*process {process.pid} on"):
                train.run(config(trainable, "alive", *more))
        assert (folder / "owner.json").read_bytes() == owner and process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert train.run(config(trainable, "alive", "train.steps=4"))["status"] == "finished"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (len(manifest["attempts"]), manifest["step"]) == (1, 4)


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
    one = config(trainable, f"believed_{status}_{len(owner)}_{taken}_{owner.get('host')}_{owner.get('pid')}", "train.steps=4")
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
