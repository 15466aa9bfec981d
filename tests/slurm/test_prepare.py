"""Tokenising as an array under faults ends with the bytes of an undisturbed run."""

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from common.files import digest
from tests.slurm.jobs import rank_process

pytestmark = pytest.mark.slurm
FILES = ("tokens.bin", "tokens.idx")


@pytest.fixture
def text(tmp_path) -> Path:
    """30 MB, enough for hundreds of shards."""
    rng = np.random.default_rng(0)
    words = np.array(
        [
            "court",
            "tenant",
            "owner",
            "lease",
            "judge",
            "house",
            "debt",
            "heir",
            "pays",
            "signs",
            "ends",
            "owes",
            "the",
            "a",
        ]
    )
    with (tmp_path / "text.jsonl").open("w") as file:
        for _ in range(3000):
            file.write(json.dumps({"text": " ".join(rng.choice(words, size=2000))}) + "\n")
    return tmp_path / "text.jsonl"


def test_a_storm_over_tokenisation_ends_byte_identical(cluster, jobs, text):
    """Of four array tasks one is killed, one requeued, and one loses its node; then the shards are merged."""
    jobs.overrides = [one for one in jobs.overrides if not one.startswith("data.inputs=")]
    settings = [f"data.inputs=['{text}']", "prepare.shard_bytes=50000", "prepare.array_size=4"]
    jobs.start("prepare", *settings, f"data.tokens={jobs.folder}/quiet", "cluster.workers=2")
    tokens = jobs.folder / "stormy"
    said = jobs.start(
        "prepare", *settings, f"data.tokens={tokens}", "cluster=slurm", "cluster.time=10", "cluster.cpus_per_task=8"
    )
    array_tasks, merge = sorted(jobs.submissions(), key=lambda submission: -len(submission.points))
    assert len(array_tasks.points) == 4 and len(merge.points) == 1 and "merge" not in said
    job = array_tasks.arrays[0].job_id

    def strike(array_task: int) -> list[str]:
        """Wait until an array task has some shards but not all; the nodes that it is on."""
        log = array_tasks.log_file(array_task, f"{job}_{array_task}", 1, "0")
        cluster.wait_for(lambda: log.is_file() and _shards(tokens) > 4, 60, f"array task {array_task} to be at work")
        assert array_tasks.array_task(array_task)["state"] == "running"
        return array_tasks.array_task(array_task)["attempts"][-1]["nodes"]

    cluster.node("kill", strike(2))
    os.kill(rank_process(array_tasks.folder, 0, 1), signal.SIGKILL)
    strike(0)
    subprocess.run(["scontrol", "requeue", f"{job}_0"], check=True)
    struck = _shards(tokens)
    cluster.wait_for(lambda: merge.array_task(0)["state"] == "finished", 150, "the merge")
    assert 0 < struck < 600
    attempts = [array_tasks.array_task(array_task)["attempts"] for array_task in range(4)]
    assert [len(each) for each in attempts[:3]] == [2, 2, 2] and attempts[1][0]["status"] == "failed"
    states = [row["State"].split()[0] for row in cluster.accounting(job) if row["JobID"] == f"{job}_2"]
    assert states[0] == "NODE_FAIL" and states[-1] == "COMPLETED"
    assert [digest(tokens / name) for name in FILES] == [digest(jobs.folder / "quiet" / name) for name in FILES]
    assert not list(tokens.rglob(".aside-*"))


def _shards(tokens: Path) -> int:
    return len(list((tokens / "shards").glob("[0-9a-f]*/manifest.json")))
