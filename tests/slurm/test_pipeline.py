"""A pipeline as a graph of jobs: stages wait for each other, a failed one cancels what follows, and is taken up from
there."""

import shutil

import pytest

from model.training.checkpoints.checkpoints import linked
from tests.slurm.jobs import TRAINING

pytestmark = pytest.mark.slurm

CHAIN = [
    "train.steps=20",
    "train.checkpoint.probe_every_steps=10",
    "prepare.array_size=2",
    "prepare.shard_bytes=20000",
    "sweep.array_size=2",
]
LONG = ["probe.query_tokens=16", "probe.train_document_tokens=32", "probe.document_tokens=48"]
PROBE = [*LONG, "probe.pairs=40", "probe.steps=5", "probe.batch=8", "sweep.bm25=false", "sweep.bootstrap=0"]


def test_a_failed_stage_cancels_the_rest_and_is_taken_up(cluster, jobs, trainable, retrieval_folder):
    """The retrieval set breaks once all is queued: training ends, the sweep fails, the export is cancelled. Mended, the
    same command does the rest."""
    retrieval = jobs.folder / "retrieval"
    shutil.copytree(retrieval_folder, retrieval)
    overrides = [one for one in jobs.overrides if not one.startswith(("data.tokenizer=", "data.tokens="))]
    jobs.overrides = [
        *overrides,
        "tokenizer.vocab_size=300",
        f"data.tokenizer={jobs.folder}/tokenizer",
        f"data.tokens={jobs.folder}/tokens",
    ]
    arguments = [
        *TRAINING,
        *CHAIN,
        *PROBE,
        f"data.retrieval={retrieval}",
        "cluster=slurm",
        "cluster.time=10",
        "seed=1,2",
    ]

    drawn = jobs.start("pipeline", *arguments, "dry_run=true", multirun=True)
    assert "tokenizer -> prepare x 2 -> merge -> train x 2 -> sweep x 4 -> select -> export x 2" in drawn
    assert not jobs.submissions()

    long = jobs.start("pipeline", *arguments, "probe.document_tokens=96", multirun=True, fails=True)
    assert "error: probe.document_tokens=96 exceeds model.max_positions=64" in long
    said = jobs.start("pipeline", *arguments, multirun=True)
    hidden = next(retrieval.rglob("corpus.jsonl"))
    hidden.rename(jobs.folder / "hidden")  # a set that lacks it now would be refused before anything is queued
    assert "aftercorr" not in said.split("train")[0]
    by_job = {}
    for submission in jobs.submissions():
        by_job.setdefault(submission.manifest["job"], []).append(submission)
    (train,), (export,) = by_job["train"], by_job["export"]
    cluster.wait_for(
        lambda: train.array_task(1)["state"] == train.array_task(0)["state"] == "finished", 120, "the training"
    )
    exports = export.arrays[0].job_id
    ended = lambda: {row["State"].split()[0] for row in cluster.accounting(exports) if "." not in row["JobID"]}  # noqa: E731
    cluster.wait_for(lambda: ended() == {"CANCELLED"}, 90, "the export to be cancelled")
    cluster.wait_for(
        lambda: all(one.array_task(0)["state"] == "failed" for one in by_job["sweep"]), 90, "the sweeps to fail"
    )
    told = jobs.start("status")
    print(told)
    assert "corpus.jsonl" in told

    (jobs.folder / "hidden").rename(hidden)
    before = len(jobs.submissions())
    said = jobs.start("pipeline", *arguments, multirun=True)
    assert "train x" not in said.splitlines()[0].replace("train (done)", "")
    again = [submission.manifest["job"] for submission in jobs.submissions()[before:]]
    assert set(again) == {"sweep", "export"}
    homes = [jobs.runs_dir / "t" / f"seed={seed}" for seed in (1, 2)]
    cluster.wait_for(lambda: all((home / "export" / "manifest.json").is_file() for home in homes), 120, "the exports")
    assert all(linked(home, "best") is not None and (home / "report.html").is_file() for home in homes)


def test_a_cancelled_training_takes_along_what_waits_for_it(cluster, jobs, retrieval_folder):
    """The sweep's array tasks, which never start, and its last job, which is lenient to array tasks that fail, but not
    to a run cut short."""
    arguments = [
        *TRAINING,
        *CHAIN,
        *PROBE,
        f"data.retrieval={retrieval_folder}",
        "cluster=slurm",
        "cluster.time=10",
        "train.steps=5000",
    ]
    jobs.start("pipeline", *arguments)
    train, *later = sorted(jobs.submissions(), key=lambda one: one.manifest["job"] != "train")
    assert sorted(one.manifest["job"] for one in later) == ["export", "sweep", "sweep"]
    home = jobs.runs_dir / "t" / "seed_0"
    cluster.wait_for(lambda: len(list(home.glob("checkpoints/step_*"))) > 1, 120, "probe checkpoints")
    jobs.start("status", f"status.cancel={home}")

    def ended(one):
        return {row["State"].split()[0] for row in cluster.accounting(one.arrays[0].job_id) if "." not in row["JobID"]}

    for submission in later:
        cluster.wait_for(
            lambda one=submission: ended(one) == {"CANCELLED"}, 60, f"{submission.folder.name} to be cancelled"
        )
    assert not (home / "eval").exists() and not (home / "report.html").exists() and not (home / "export").exists()
    told = " ".join(jobs.start("status").split())
    assert f"it waited for {train.folder.name}, which did not finish" in told
