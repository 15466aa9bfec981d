"""Probes that a training starts: whatever is refused, lost or submitted twice, one result a checkpoint, and the
training does not notice."""

import dataclasses
import json
import os
import re
import shutil
import stat
from pathlib import Path

import psutil
import pytest

from common.layout import checkpoint_name
from common.retrieval.load import digest_retrieval
from jobs.probes.trigger import BySlurm
from model.evaluation.interface.store import record_file, result_file, weights_digest, why_stale
from model.evaluation.measures.retrieval.settings import settings_digest
from model.training.checkpoints.checkpoints import list_checkpoints
from slurm import outbox
from slurm.submission import Point, Submission
from slurm.submit import submit
from tests.jobs.conftest import encoders as encoders
from tests.jobs.conftest import make_checkpoint as make_checkpoint
from tests.jobs.conftest import retrieval_folder as retrieval_folder
from tests.jobs.conftest import run_folder as run_folder
from tests.jobs.conftest import sweep_config as sweep_config
from tests.jobs.conftest import tokenizer_folder as tokenizer_folder
from tests.slurm.jobs import FIELDS, TRAINING

pytestmark = pytest.mark.slurm

STEPS, EVERY = 160, 80
PROBE = [
    "probe.document_tokens=60",
    "probe.train_document_tokens=60",
    "probe.steps=20",
    "probe.pairs=250",
    "probe.batch=64",
    "sweep.bootstrap=50",
]
DONE = re.compile(r"step (\d+): test ndcg@10 .* after \d+ probe steps")
SBATCH = """#!/bin/sh
# The first call is refused. The second is obeyed, and the training that made it dies before it can write that down.
echo call >> {folder}/calls
calls=$(wc -l < {folder}/calls)
if [ "$calls" = 1 ]; then echo "sbatch: error: Batch job submission failed: Access/permission denied" >&2; exit 1; fi
if [ "$calls" = 2 ]; then {sbatch} "$@" > {folder}/lost; kill -9 $PPID; exit; fi
exec {sbatch} "$@"
"""


@pytest.fixture
def troubled_sbatch(tmp_path) -> Path:
    """A folder for the PATH, with an sbatch as a bad day has it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    file = folder / "sbatch"
    file.write_text(SBATCH.format(folder=folder, sbatch=shutil.which("sbatch")))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return folder


def logs(submission: Submission) -> str:
    """Output of all ranks and batch scripts."""
    return "".join(file.read_text() for file in sorted((submission.folder / "logs").iterdir()) if file.is_file())


def series(run: Path) -> list[dict]:
    """What must be equal, bit for bit."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{name: line.get(name) for name in FIELDS} for line in lines]


def test_one_result_a_checkpoint_whatever_happens_to_sbatch(cluster, jobs, retrieval_folder, troubled_sbatch):
    course = [f"train.steps={STEPS}", f"train.checkpoint.probe_every_steps={EVERY}", "train.eval_every_steps=40"]
    training = jobs.train(
        *course, *PROBE, "sweep.trigger=on_save", f"data.retrieval={retrieval_folder}", "sweep.cluster.time=5",
        f"cluster.environment.PATH='{troubled_sbatch}:{os.environ['PATH']}'",
    )  # fmt: skip
    jobs.start("train", *TRAINING, *course, "run=quiet")
    training.wait()
    home = training.home()

    def probes() -> list[Submission]:
        return [one for one in jobs.submissions() if one.manifest["job"] == "sweep"]

    def over() -> bool:
        return all(one.array_task(point["index"])["state"] == "finished" for one in probes() for point in one.points)

    cluster.wait_for(lambda: (home / "report.html").is_file() and over(), 120, "the report")
    assert [attempt["status"] for attempt in training.attempts()] == ["failed", "finished"]
    assert (troubled_sbatch / "lost").is_file()
    assert series(home) == series(jobs.runs_dir / "t" / "quiet") and training.step() == STEPS

    config, checkpoints = (
        training.submission.config(0),
        [checkpoint for checkpoint in list_checkpoints(home) if checkpoint.kind == "probe"],
    )
    assert [checkpoint.step for checkpoint in checkpoints] == [0, EVERY, STEPS]
    digests = {"settings": settings_digest(config.probe), "inputs": digest_retrieval(config.data.retrieval)}
    for checkpoint in checkpoints:
        assert (
            why_stale(
                result_file(home, "retrieval", checkpoint.step), digests | {"weights": weights_digest(checkpoint)}
            )
            is None
        )
    said = "".join(logs(one) for one in probes())
    assert sorted(int(step) for step in DONE.findall(said)) == [0, EVERY, STEPS]
    homes = [Path(point["home"]).name for one in probes() for point in one.points]
    assert (
        homes.count(checkpoint_name(0)) == 1 and homes.count(home.name) == 1
    )  # found by its name, and not submitted twice
    assert {one.snapshot for one in probes()} == {training.submission.snapshot}
    assert {one.cluster.time for one in probes()} == {"5"}
    assert not list((home / "outbox").glob("*.json")) and not list((home / "eval" / "claims").iterdir())
    assert (home / "checkpoints" / "best").is_symlink()


def test_a_probe_that_runs_already(cluster, jobs, sweep_config, run_folder, tmp_path):
    """Of a job that nobody remembers: the array task that a training submits says who holds the checkpoint, and the
    report waits for it."""
    for step in (0, 10, 30):
        shutil.rmtree(run_folder / "checkpoints" / checkpoint_name(step))
    sweep_config.runs_dir, sweep_config.run_dir, sweep_config.sweep.trigger = (
        str(tmp_path / "submitted"),
        str(run_folder),
        "after",
    )
    sweep_config.probe.depth, sweep_config.probe.steps, sweep_config.sweep.bootstrap = "full", 500, 0
    sweep_config.cluster.kind, sweep_config.cluster.time = "slurm", "10"
    one = dataclasses.replace(sweep_config, sweep=dataclasses.replace(sweep_config.sweep, step=20))
    (first,) = submit("sweep", [Point(one, str(run_folder / "checkpoints" / checkpoint_name(20)))]).submissions
    claim = run_folder / "eval" / "claims" / f"{checkpoint_name(20)}.json"
    cluster.wait_for(claim.is_file, 60, "the claim")
    prober = psutil.Process(json.loads(claim.read_text())["pid"])
    prober.suspend()  # until the report has met it, however long that takes to start
    BySlurm(sweep_config).end(finished=True)
    second, report = (
        Submission.read(outbox.record(run_folder, name)["submission"]) for name in (checkpoint_name(20), "finish")
    )
    cluster.wait_for(lambda: second.array_task(0)["state"] == "finished", 60, "the second")
    assert claim.is_file() and first.array_task(0)["state"] == "running"
    holder = f"step 20 is being probed by job {first.jobs_of(0)[0]}, process"
    assert holder in logs(second) and "left to it" in logs(second)
    cluster.wait_for(lambda: "waiting for it" in logs(report), 120, "the report to meet it")
    prober.resume()
    cluster.wait_for(lambda: report.array_task(0)["state"] == "finished", 120, "the report")
    assert holder in logs(report) and (run_folder / "report.html").is_file()
    assert [len(DONE.findall(logs(one))) for one in (first, second, report)] == [1, 0, 0]
    assert record_file(run_folder, 20).is_file() and not claim.exists()
