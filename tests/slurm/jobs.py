"""Jobs on the cluster, started by their command lines, and what their run folders say."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm.submission import Submission, submissions
from tests.dev_cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
TRAINING = [
    "parallel.threads=1", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=4",
    "train.log_every_steps=1",
    "train.checkpoint.resume_every_minutes=0", "train.checkpoint.probe_share=0",
    "train.checkpoint.resume_every_steps=20", "train.eval_packs=2",
]  # fmt: skip
COURSE = ["train.steps=400"]
"""The training of tests that disturb one run; the fixture `quiet` holds its series."""
FIELDS = ("step", "tokens", "samples", "loss", "accuracy", "lr", "grad_norm", "validation_loss")


@dataclass
class Jobs:
    """Starts jobs; ``overrides`` describe the data and the net of a small training."""

    cluster: Cluster
    folder: Path
    overrides: list[str]

    @property
    def runs_dir(self) -> Path:
        """Where run folders go."""
        return self.folder / "runs"

    def command(self, job: str, *overrides: str, multirun: bool = False) -> list[str]:
        """The command line of a job."""
        return [
            sys.executable, "-m", f"jobs.{job}", *(["-m"] if multirun else []), "name=t", f"runs_dir={self.runs_dir}",
            *self.overrides,
            *overrides,
        ]  # fmt: skip

    def start(self, job: str, *overrides: str, multirun: bool = False, fails: bool = False, **kwargs: Any) -> str:
        """Run a job's command here to its end; what it said."""
        env = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300", **kwargs.pop("env", {})}
        command = self.command(job, *overrides, multirun=multirun)
        done = subprocess.run(
            command, cwd=kwargs.pop("cwd", ROOT), env=env, capture_output=True, text=True, timeout=280, **kwargs
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def train(self, *overrides: str, multirun: bool = False) -> "Queued":
        """Queue a training with cluster=slurm."""
        return self.queue("train", *TRAINING, *overrides, multirun=multirun)

    def queue(self, job: str, *overrides: str, multirun: bool = False) -> "Queued":
        """Queue a job with cluster=slurm."""
        said = self.start(job, "cluster=slurm", "cluster.time=10", *overrides, multirun=multirun)
        folder = re.findall(rf"queued {job} as job .*: (\S+)", said)[-1]
        return Queued(self, said, Submission.read(folder))

    def manifest(self, run: Path) -> dict[str, Any]:
        """The manifest of a run; empty before its first attempt has begun."""
        file = run / "manifest.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    def submissions(self) -> list[Submission]:
        """All of this test."""
        return list(submissions(self.runs_dir))


@dataclass
class Queued:
    """What a job's command has queued."""

    jobs: Jobs
    said: str
    submission: Submission

    @property
    def job_id(self) -> str:
        """Id of its (first) array."""
        return self.submission.arrays[0].job_id

    def home(self, array_task: int = 0) -> Path:
        """Result folder of an array task."""
        return Path(self.submission.points[array_task]["home"])

    def metrics(self, array_task: int = 0) -> list[dict[str, Any]]:
        """Whole lines of metrics.jsonl so far."""
        return read_metrics(self.home(array_task) / "metrics.jsonl")

    def step(self, array_task: int = 0) -> int:
        """The last step that was logged; -1 before the first."""
        lines = self.metrics(array_task)
        return lines[-1]["step"] if lines else -1

    def series(self, array_task: int = 0) -> list[dict[str, Any]]:
        """What must be equal, bit for bit, whatever happened in between."""
        return read_series(self.home(array_task) / "metrics.jsonl")

    def attempts(self, array_task: int = 0) -> list[dict[str, Any]]:
        """As its driver recorded them."""
        return self.submission.array_task(array_task)["attempts"]

    def state(self, array_task: int = 0) -> str:
        """As its driver recorded it."""
        return self.submission.array_task(array_task)["state"]

    def wait(self, state: str = "finished", seconds: float = 240) -> "Queued":
        """Wait until every array task is in a state."""
        numbers = [point["index"] for point in self.submission.points]
        self.jobs.cluster.wait_for(
            lambda: all(self.state(number) == state for number in numbers), seconds, f"array tasks to be {state}"
        )
        return self

    def under_way(self, array_task: int = 0, attempt: int = 1) -> bool:
        """Whether an attempt has logged steps of its own."""
        known = self.jobs.manifest(self.home(array_task)).get("attempts", [])
        mine = self.attempts(array_task)
        if len(mine) < attempt or not known or known[-1].get("slurm_restart_count") != mine[-1]["restart"]:
            return False
        return known[-1]["from_step"] + 3 < self.step(array_task)

    def strike(self, array_task: int = 0, attempt: int = 1) -> int:
        """Wait until an attempt is under way; the step that it is at."""
        self.jobs.cluster.wait_for(
            lambda: self.under_way(array_task, attempt),
            240,
            f"attempt {attempt} of array task {array_task} to be at work",
        )
        return self.step(array_task)

    def batch_log(self, array_task: int = 0) -> str:
        """Log of its driver."""
        return (self.submission.folder / "logs" / f"{self.submission.jobs_of(array_task)[0]}.batch.log").read_text()


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """Whole lines of a metrics.jsonl."""
    lines = file.read_text().splitlines(keepends=True) if file.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def read_series(file: Path) -> list[dict[str, Any]]:
    """What of a metrics.jsonl must be equal, bit for bit, whatever happened in between."""
    return [{name: line.get(name) for name in FIELDS} for line in read_metrics(file)]


def rank_process(submission: Path, rank: int, array_task: int = 0) -> int:
    """Process id of a rank of an array task that runs."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words, env = (
                (process / "cmdline").read_bytes().split(b"\0"),
                (process / "environ").read_bytes().split(b"\0"),
            )
        except OSError:
            continue
        command = [b"slurm.rank", str(submission).encode(), str(array_task).encode()]
        if words[-4:-1] == command and b"python" in words[0] and f"SLURM_PROCID={rank}".encode() in env:
            return int(process.name)
    raise AssertionError(f"rank {rank} of array task {array_task} is not running")
