"""Multiruns: the prompt returns, one array, and what is edited while they wait reaches none of them."""

import resource
import shutil
from pathlib import Path

import pytest

from slurm.snapshot import PACKAGES
from tests.slurm.jobs import ROOT, TRAINING

pytestmark = pytest.mark.slurm


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the code to edit."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / "code" / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "code"


def test_a_multirun_returns_at_once_and_is_deaf_to_edits(cluster, jobs, checkout):
    """Eight points are one array; while it is held back, a YAML file and a module that training imports late are
    broken."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    overrides = ["cluster=slurm", "cluster.time=10", "cluster.sbatch.begin=now+15", "train.steps=2"]
    overrides += ["optim.lr=1e-3,2e-3,3e-3,4e-3", "seed=1,2"]
    said = jobs.start("train", *TRAINING, *overrides, multirun=True, cwd=checkout, env={"PYTHONPATH": str(checkout)})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 15
    )  # of its own work; other tests may run beside
    (submission,) = jobs.submissions()
    assert len(submission.points) == 8 and len(submission.arrays) == 1
    array = submission.arrays[0].job_id
    assert set(cluster.states(array)) == {f"{array}_{task}" for task in range(8)}
    assert f"scancel {array}" in said and "jobs.status" in said
    assert {point["label"] for point in submission.points} == {
        f"optim.lr=0.00{lr},seed={seed}" for lr in (1, 2, 3, 4) for seed in (1, 2)
    }

    (checkout / "conf" / "optim" / "stable_adamw.yaml").write_text("lr: broken\n")
    (checkout / "model" / "training" / "callbacks" / "hparams.py").write_text("raise RuntimeError('edited')\n")
    (checkout / "model" / "hf" / "modernbert.py").write_text("raise RuntimeError('edited')\n")
    cluster.wait_for(
        lambda: all(submission.array_task(task)["state"] == "finished" for task in range(8)), 120, "the array to finish"
    )
    for task, point in enumerate(submission.points):
        config = submission.config(task)
        home = Path(point["home"])
        assert f"optim.lr={config.optim.lr},seed={config.seed}" == point["label"]
        assert (home / "code").resolve() == submission.snapshot.resolve()
        assert (home / "checkpoints" / "step_0000002" / "hf" / "model.safetensors").is_file()
