"""What SLURM or the disk would refuse is one clear sentence before anything is queued, and nothing is left behind."""

import pytest

from tests.slurm.jobs import TRAINING

pytestmark = pytest.mark.slurm


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["cluster.partition=mian"], "cluster.partition=mian: there is no such partition; did you mean 'main'?"),
        (["cluster.account=nobody"], "cluster.account=nobody is no account of yours"),
        (["data.tokens=/nowhere/tokens"], "data.tokens: /nowhere/tokens/manifest.json does not exist"),
        (
            ["cluster.environment.HF_TOKEN=abc"],
            "cluster.environment.HF_TOKEN would be written into the frozen configuration",
        ),
        (["cluster.nodes=9", "train.global_batch=36"], "cluster.nodes=9"),
        (["cluster.signal_lead=900"], "cluster.signal_lead=900 s is not below cluster.time=10"),
    ],
    ids=["partition", "account", "dataset", "secret", "nodes", "lead"],
)
def test_one_sentence_and_nothing_left(cluster, jobs, overrides, sentence):
    said = jobs.start("train", *TRAINING, "train.steps=2", "cluster=slurm", "cluster.time=10", *overrides, fails=True)
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith(f"error: {sentence}"), said
    assert "abc" not in said
    assert not list(jobs.runs_dir.rglob("*"))


def test_the_same_command_twice_queues_once(cluster, jobs):
    """A run that waits is left alone; another configuration in its folder is refused."""
    hold = ["cluster.sbatch.hold=true", "train.steps=2"]
    first = jobs.train(*hold)
    said = jobs.start("train", "cluster=slurm", "cluster.time=10", *TRAINING, *hold)
    assert f"already queued, and left alone: {first.home()} ({first.job_id}_0)" in said
    assert len(jobs.submissions()) == 1


def test_a_dry_run_shows_everything_and_does_nothing(cluster, jobs):
    said = jobs.start("train", "cluster=slurm", *TRAINING, "train.steps=2", "seed=1,2", "dry_run=true", multirun=True)
    assert "#SBATCH --array=0-1" in said and "#SBATCH --signal=USR1@120" in said and "slurm.driver" in said
    assert "seed=1" in said and "seed=2" in said and "disk: up to" in said
    assert not jobs.submissions()


def test_more_points_than_an_array_may_have_are_several_arrays(cluster, jobs):
    """The cluster of these tests allows sixteen array tasks."""
    seeds = ",".join(str(seed) for seed in range(17))
    queued = jobs.train("cluster.sbatch.hold=true", "train.steps=2", f"seed={seeds}", multirun=True)
    first, second = queued.submission.arrays
    assert (first.first, first.count, second.first, second.count) == (0, 16, 16, 1)
    assert queued.submission.jobs_of(16) == [f"{second.job_id}_0"]
    assert set(cluster.states(first.job_id)) == {f"{first.job_id}_{task}" for task in range(16)}
