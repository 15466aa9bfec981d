"""Text, tokens and a small net for the trainings of these tests, and the series of an undisturbed one."""

import os
import subprocess
import sys
from typing import Any

import pytest

from tests.jobs.conftest import retrieval_folder as retrieval_folder
from tests.jobs.conftest import tokenizer_folder as tokenizer_folder
from tests.jobs.conftest import trainable as trainable
from tests.slurm.jobs import COURSE, ROOT, TRAINING, Jobs, read_series


@pytest.fixture
def jobs(cluster, trainable, tmp_path) -> Jobs:
    """Starts jobs as a person does, with run folders of this test's own; the cluster is whole and empty again
    afterwards."""
    overrides = [one for one in trainable if not one.startswith("runs_dir=")]
    yield Jobs(cluster, tmp_path, overrides)
    cluster.idle()


@pytest.fixture(scope="session")
def quiet(trainable, tmp_path_factory) -> list[dict[str, Any]]:
    """The series of `COURSE`, trained in one process without SLURM."""
    runs = tmp_path_factory.mktemp("quiet")
    overrides = [one for one in trainable if not one.startswith("runs_dir=")]
    command = [sys.executable, "-m", "jobs.train", "name=t", f"runs_dir={runs}", *overrides, *TRAINING, *COURSE]
    subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True, timeout=200
    )
    return read_series(runs / "t" / "seed_0" / "metrics.jsonl")
