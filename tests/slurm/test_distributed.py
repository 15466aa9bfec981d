"""Ranks on several nodes: the same losses in every arrangement, and one rank's death is the array task's."""

import os
import signal
import subprocess
import sys

import pytest

from tests.slurm.jobs import ROOT, TRAINING, rank_process, read_series

pytestmark = pytest.mark.slurm

FOUR = ["train.steps=30", "train.micro_batch=1", "cluster.cpus_per_task=1"]


@pytest.fixture(scope="module")
def local_series(trainable, tmp_path_factory):
    """The series of four ranks without SLURM."""
    runs = tmp_path_factory.mktemp("local")
    overrides = [one for one in trainable if not one.startswith("runs_dir=")]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=4", "-m", "jobs.train"]
    command += ["name=t", f"runs_dir={runs}", *overrides, *TRAINING, *FOUR]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return read_series(runs / "t" / "seed_0" / "metrics.jsonl")


def test_two_nodes_are_as_one_and_a_dead_rank_ends_its_array_task_at_once(cluster, jobs, local_series):
    """2 x 2 ranks, of which one is killed on the way, and 1 x 4, against four ranks without SLURM: equal to the last
    bit."""
    two = jobs.train(*FOUR, "run=two", "cluster.nodes=2", "cluster.tasks_per_node=2")
    cluster.wait_for(lambda: 3 <= two.step() < 25, 240, "the first steps of 2 x 2 ranks")
    victim = rank_process(two.submission.folder, 3)
    os.kill(victim, signal.SIGKILL)
    cluster.wait_for(lambda: two.attempts()[0]["ended"], 30, "the end of the attempt that lost a rank")
    assert two.step() < 30
    first = two.attempts()[0]
    assert first["status"] == "failed" and first["first_dead_rank"] == 3
    assert first["nodes"] == "n[1-2]"
    assert "rank 3 ended first" in two.batch_log() and "SIGKILL" in first["cause"]
    one = jobs.train(*FOUR, "run=one", "cluster.tasks_per_node=4").wait()
    two.wait()
    assert [attempt["status"] for attempt in two.attempts()] == ["failed", "finished"]
    assert one.series() == two.series() == local_series
    assert len(local_series) == 31
