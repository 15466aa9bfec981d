"""A corpus as arrays, stage after stage, under faults ends with the bytes of an undisturbed run."""

import os
import signal
import subprocess

import pytest

from tests.data_prep.corpus.conftest import folder, planted, texts
from tests.data_prep.corpus.test_corpus import fingerprint
from tests.slurm.jobs import rank_process

__all__ = ["folder", "planted", "texts"]
pytestmark = pytest.mark.slurm
STAGES = ["curate", "buckets", "clusters", "write"]


def test_a_storm_over_the_stages_ends_byte_identical(cluster, jobs, folder):
    """Of three array tasks that read, one is killed and one requeued; each stage waits for the one before, the report
    for all."""
    settings = [
        f"corpus.inputs=['{folder / 'texts'}']",
        "corpus.language=en",
        "corpus.rules=[gopher_quality]",
        "corpus.shard_bytes=1000",
    ]
    jobs.start("corpus", *settings, f"corpus.output={jobs.folder}/quiet", "cluster.workers=2")
    output = jobs.folder / "stormy"
    jobs.start(
        "corpus",
        *settings,
        f"corpus.output={output}",
        "corpus.array_size=3",
        "cluster=slurm",
        "cluster.time=10",
        "cluster.cpus_per_task=8",
    )
    queued = sorted(jobs.submissions(), key=lambda submission: int(submission.arrays[0].job_id))
    assert [len(submission.points) for submission in queued] == [3, 3, 1, 3, 1]
    curate, report = queued[0], queued[-1]
    job = curate.arrays[0].job_id
    units = output / "stages" / "curate"
    cluster.wait_for(lambda: len(list(units.glob("text-*"))) > 3, 60, "some shards to be read")
    os.kill(rank_process(curate.folder, 0, 1), signal.SIGKILL)
    subprocess.run(["scontrol", "requeue", f"{job}_0"], check=True)
    struck = len(list(units.glob("text-*")))
    cluster.wait_for(lambda: report.array_task(0)["state"] == "finished", 240, "the report")
    assert struck < len(list(units.glob("text-*")))
    assert [len(curate.array_task(array_task)["attempts"]) for array_task in (0, 1)] == [2, 2]
    assert sorted({path.name for path in (output / "stages").iterdir()}) == sorted(STAGES)
    assert fingerprint(output) == fingerprint(jobs.folder / "quiet")
    assert not list(output.rglob(".aside-*"))
