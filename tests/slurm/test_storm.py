"""A bad night: every fault that SLURM knows hits an array of trainings in the middle, and the loss curves are those of
a quiet one."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.training.run.config import read_config
from slurm.goodput import goodput
from tests.slurm.jobs import Queued, rank_process

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]

STEPS = 1200
COURSE = [
    f"train.steps={STEPS}",
    "seed=1,2,3,4",
    "train.checkpoint.probe_at_start=false",
    "train.checkpoint.resume_every_steps=100",
]
REQUEUED, KILLED, NODE_LOST, PREEMPTED = range(4)


def test_a_stormy_night_ends_as_a_quiet_one(cluster, jobs):
    """Four array tasks, a node each. Two partitions, of which one gives preempted jobs no grace."""
    quiet = jobs.train("name=quiet", *COURSE, "cluster.time=10", multirun=True)
    quiet.wait(seconds=240)
    storm = jobs.train(
        "name=storm",
        *COURSE,
        "cluster.partition=low",
        "cluster.time=10",
        "cluster.signal_lead=60",
        "cluster.cpus_per_task=8",
        multirun=True,
    )
    assert len(storm.submission.arrays) == 1
    struck: dict[int, list[int]] = {array_task: [] for array_task in range(4)}

    def strike(array_task: int, attempt: int) -> str:
        """Wait until an attempt of an array task is under way; note its step and return its node."""
        struck[array_task].append(storm.strike(array_task, attempt))
        return storm.attempts(array_task)[-1]["nodes"]

    def preempt(node: str) -> None:
        subprocess.run(
            ["sbatch", "--partition=main", "--exclusive", f"--nodelist={node}", "--wrap=sleep 3", "--output=/dev/null"],
            check=True,
        )

    for array_task in range(4):
        strike(array_task, 1)
    cluster.restart_controller()
    preempt(strike(PREEMPTED, 1))
    strike(KILLED, 1)
    os.kill(rank_process(storm.submission.folder, 0, KILLED), signal.SIGKILL)
    strike(REQUEUED, 1)
    subprocess.run(["scontrol", "requeue", storm.submission.jobs_of(REQUEUED)[0]], check=True)
    lost = strike(NODE_LOST, 1)
    cluster.node("kill", lost)
    job = storm.submission.jobs_of(PREEMPTED)[0]
    cluster.wait_for(
        lambda: cluster.states(job).get(job) == "PENDING", 60, "the preempted array task to be queued again"
    )
    subprocess.run(["scontrol", "update", f"JobId={job}", "Partition=lowgrace"], check=True)
    cluster.node("start", lost)
    limited = storm.submission.jobs_of(REQUEUED)[0]
    strike(REQUEUED, 2)
    subprocess.run(["scontrol", "update", f"JobId={limited}", "TimeLimit=1"], check=True)
    preempt(strike(PREEMPTED, 2))
    cluster.wait_for(
        lambda: cluster.states(limited).get(limited) == "PENDING",
        60,
        "the array task at its time limit to be queued again",
    )
    subprocess.run(["scontrol", "update", f"JobId={limited}", "TimeLimit=10"], check=True)
    storm.wait(seconds=400)

    accounting = {array_task: _states(storm, array_task) for array_task in range(4)}
    print(accounting, struck, *(goodput(storm.submission, array_task).describe() for array_task in range(4)), sep="\n")
    assert all(0 < step < STEPS for steps in struck.values() for step in steps)
    assert "NODE_FAIL" in accounting[NODE_LOST]
    ended = {row["Partition"]: row["State"].split()[0] for row in _rows(storm, PREEMPTED)[:2]}
    assert ended["low"] == "PREEMPTED" and ended["lowgrace"] in (
        "PREEMPTED",
        "REQUEUED",
    )  # within its grace it requeues itself
    assert _told(storm, PREEMPTED, 2) == "SIGUSR1"
    assert accounting[REQUEUED].count("REQUEUED") >= 2
    assert _told(storm, REQUEUED, 1) == "SIGTERM" and _told(storm, REQUEUED, 2) == "SIGUSR1"
    assert [storm.attempts(REQUEUED)[number]["status"] for number in (1, 2)] == ["continue", "finished"]
    assert "SIGKILL" in storm.attempts(KILLED)[0]["cause"] and storm.attempts(KILLED)[0]["status"] == "failed"
    for array_task in range(4):
        assert accounting[array_task][-1] == "COMPLETED" and len(accounting[array_task]) > 1
        assert [line["step"] for line in storm.metrics(array_task)] == list(range(1, STEPS + 1))
        assert storm.series(array_task) == quiet.series(array_task)
        assert read_config(storm.home(array_task))["seed"] == read_config(quiet.home(array_task))["seed"]
        assert _curve(storm.home(array_task)) == _curve(quiet.home(array_task))
        assert not list(storm.home(array_task).rglob(".aside-*"))


def _rows(queued: Queued, array_task: int) -> list[dict[str, str]]:
    job = queued.submission.jobs_of(array_task)[0]
    return [row for row in queued.jobs.cluster.accounting(job) if row["JobID"] == job]


def _states(queued: Queued, array_task: int) -> list[str]:
    """How each incarnation ended, by sacct."""
    queued.jobs.cluster.wait_for(
        lambda: _rows(queued, array_task)[-1]["State"] == "COMPLETED", 30, "the accounting to catch up"
    )
    return [row["State"].split()[0] for row in _rows(queued, array_task)]


def _told(queued: Queued, array_task: int, attempt: int) -> str:
    """The first signal that an attempt heard in the middle, and saved after."""
    log = queued.submission.log_file(array_task, queued.submission.jobs_of(array_task)[0], attempt, "0").read_text()
    assert "saved; the same command continues" in log
    return re.search(r"(SIG\w+): stopping after this step", log)[1]


def _curve(run: Path) -> list[tuple[int, float]]:
    """Steps and losses that TensorBoard shows."""
    events = EventAccumulator(str(run / "tb" / "train"), size_guidance={"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("train/loss")]
