"""Text, tokens and a small net for the trainings of these tests."""

import pytest

from tests.jobs.conftest import trainable as trainable
from tests.slurm.jobs import Jobs


@pytest.fixture
def jobs(cluster, trainable, tmp_path) -> Jobs:
    """Starts jobs as a person does, with run folders of this test's own; the cluster is whole and empty again afterwards."""
    overrides = [one for one in trainable if not one.startswith("runs_dir=")]
    yield Jobs(cluster, tmp_path, overrides)
    cluster.idle()
