"""A decoder trained in phases on two ranks, signalled, killed and requeued in every phase: series and counts of an
undisturbed run."""

import os
import signal
import subprocess

import pytest

from common.files import read_json
from tests.jobs.phased import prepared
from tests.slurm.jobs import Jobs, Queued, rank_process, read_metrics

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
BUDGET = ["budget=6", "mixture.max_repeats=12", "train.checkpoint.resume_every_steps=5", "parallel.tensor=2"]
"""Some 180 steps over four phases, read from a mixture made for a sixth of them."""
SPEED = ("seconds", "tokens_per_second")


@pytest.fixture(scope="module")
def overrides(tmp_path_factory) -> list[str]:
    """The small decoder in phases; name and runs_dir are the test's."""
    found = prepared(tmp_path_factory.mktemp("phased"))
    return [one for one in found if not one.startswith(("runs_dir=", "name="))] + BUDGET


def test_requeues_in_every_phase_leave_no_trace(cluster, overrides, tmp_path):
    jobs = Jobs(cluster, tmp_path, overrides)
    quiet, stormy = (jobs.queue("train", f"run={name}", "cluster.tasks_per_node=2") for name in ("quiet", "stormy"))
    phases = ["general", "terms", "long", "anneal"]
    for number, phase in enumerate(phases):
        cluster.wait_for(lambda phase=phase: _phase(stormy) == phase, 240, f"the phase {phase}")
        _disturb(stormy, number)
    for run in (quiet, stormy):
        run.wait(seconds=280)
    assert len(stormy.attempts()) >= 3
    told = [
        [{key: value for key, value in line.items() if key not in SPEED} for line in run.metrics()]
        for run in (quiet, stormy)
    ]
    assert [line["step"] for line in told[0]] == list(range(1, len(told[0]) + 1))
    assert told[1] == told[0]
    assert _counts(stormy) == _counts(quiet)
    assert sorted(_counts(quiet)) == sorted(phases)


def _phase(run: Queued) -> str | None:
    lines = read_metrics(run.home() / "metrics.jsonl")
    return lines[-1]["phase"] if lines else None


def _disturb(run: Queued, number: int) -> None:
    """By turns: SLURM's signal, a rank killed -9, a requeue by hand."""
    if number % 3 == 0:
        subprocess.run(["scancel", "--signal=USR1", f"{run.job_id}_0"], check=True)
    elif number % 3 == 1:
        os.kill(rank_process(run.submission.folder, 1), signal.SIGKILL)
    else:
        subprocess.run(["scontrol", "requeue", f"{run.job_id}_0"], check=True)


def _counts(run: Queued) -> dict:
    """Samples and tokens by source of every phase, from the last checkpoint."""
    return read_json(run.home() / "checkpoints" / "last" / "manifest.json")["phases"]
