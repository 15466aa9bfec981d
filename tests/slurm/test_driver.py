"""What a driver does when the time limit, the controller, a kill or a person comes in between."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.training.checkpoints.checkpoints import list_checkpoints
from tests.slurm.jobs import COURSE, TRAINING, Queued, rank_process

pytestmark = pytest.mark.slurm


def test_checkpoints_that_outlast_the_lead_and_the_time_limit(cluster, jobs, quiet):
    """A checkpoint takes longer than half the lead allows, so the driver asks the rank itself (SLURM's signal goes
    astray). It hangs, as on a dead disk, until SLURM kills the job for its time limit: the next attempt goes on all the
    same."""
    run = jobs.train(*COURSE, "cluster.time=1", "cluster.signal_lead=30", "cluster.sbatch.signal='B:USR1@1'")
    run.strike()
    job, rank = run.submission.jobs_of(0)[0], rank_process(run.submission.folder, 0)
    with frozen_in_a_checkpoint(run, rank):
        time.sleep(17)
    cluster.wait_for(
        lambda: max(checkpoint.manifest["seconds"] for checkpoint in list_checkpoints(run.home())) > 15,
        10,
        "the checkpoint to end",
    )
    with frozen(rank):
        cluster.wait_for(
            lambda: "the ranks are asked to save and to end now" in run.batch_log(), 40, "the driver to ask"
        )
        cluster.wait_for(lambda: pending(rank) & 1 << signal.SIGUSR1 - 1, 10, "the rank to be told")
        cluster.wait_for(lambda: cluster.states(job).get(job) == "PENDING", 100, "the array task to be queued again")
    assert run.attempts()[0]["status"] == "timeout" and run.state() == "requeued"
    assert run.attempts()[0]["cause"].startswith("the time limit came before the ranks had saved")
    subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=10"], check=True)
    run.wait()
    assert [attempt["status"] for attempt in run.attempts()] == ["timeout", "finished"]
    assert run.series() == quiet


def test_a_controller_that_is_away_is_waited_for(cluster, jobs, quiet):
    """The ranks have saved and ended when it goes, and nobody takes the requeue. (The driver is held up until then: a
    step that ends without a controller is told to it a minute later.)"""
    run = jobs.train(*COURSE)
    run.strike()
    driver, rank = driver_process(run.submission.folder), rank_process(run.submission.folder, 0)
    os.kill(driver, signal.SIGSTOP)
    os.kill(rank, signal.SIGUSR1)
    cluster.wait_for(lambda: not Path(f"/proc/{rank}").exists(), 30, "the rank to save and end")
    with cluster.without_controller():
        os.kill(driver, signal.SIGCONT)
        cluster.wait_for(lambda: "asked again in" in run.batch_log(), 60, "the driver to be refused")
        time.sleep(10)
        assert run.state() == "requeued"
    run.wait()
    assert [attempt["status"] for attempt in run.attempts()] == ["continue", "finished"]
    assert run.series() == quiet


def test_a_kill_that_coincides_with_a_preemption(cluster, jobs, quiet):
    """Without grace; whichever SLURM hears of first, the array task goes on."""
    run = jobs.train(*COURSE, "cluster.partition=low", "cluster.cpus_per_task=8")
    run.strike()
    node, rank = run.attempts()[0]["nodes"], rank_process(run.submission.folder, 0)
    urgent = ["sbatch", "--partition=main", "--exclusive", f"--nodelist={node}", "--wrap=sleep 1", "--output=/dev/null"]
    subprocess.run(urgent, check=True)
    os.kill(rank, signal.SIGKILL)
    run.wait()
    assert "could not be requeued" not in run.batch_log()
    assert len(run.attempts()) == 2 and run.series() == quiet


@pytest.mark.parametrize("what", ["run", "everything"])
def test_what_is_removed_under_a_job_stays_removed(cluster, jobs, what):
    """The run's folder, or all of runs_dir: one sentence, no half of a folder, no further attempt."""
    run = jobs.train(*COURSE)
    run.strike()
    job, rank = run.submission.jobs_of(0)[0], rank_process(run.submission.folder, 0)
    log = keep_open(run.submission.folder / "logs" / f"{job}.batch.log")
    removed = run.home() if what == "run" else jobs.runs_dir
    with frozen(rank):
        shutil.rmtree(removed)
    ended = lambda: [row["State"] for row in cluster.accounting(job) if row["JobID"] == job]  # noqa: E731
    cluster.wait_for(lambda: ended() == ["FAILED"], 40, "the job to end")
    assert not removed.exists()
    said = log.read().decode()
    assert "Traceback" not in said
    if what == "run":
        (attempt,) = run.attempts()
        assert (
            run.state() == "failed"
            and attempt["cause"].startswith(f"{run.home()} was removed while its job ran")
            and attempt["cause"] in said
        )
        assert "the same command starts it afresh" in jobs.start("status")
        again = jobs.train(*TRAINING, "train.steps=3").wait()
        assert again.step() == 3
    else:
        assert f"error: {run.submission.folder} was removed while its job ran" in said


def test_a_run_that_is_removed_while_it_waits_does_not_begin_again(cluster, jobs):
    run = jobs.train(*COURSE)
    run.strike()
    job = run.submission.jobs_of(0)[0]
    subprocess.run(["scontrol", "requeue", job], check=True)
    cluster.wait_for(lambda: cluster.states(job).get(job) == "PENDING", 30, "the array task to be queued again")
    shutil.rmtree(run.home())
    run.wait("failed", 60)
    assert not run.home().exists()
    assert "was removed while its job ran or waited" in run.attempts()[-1]["cause"] and len(run.attempts()) == 1


def test_a_driver_that_is_killed_is_told_of(cluster, jobs, quiet):
    """Nobody is left to requeue it; jobs.status says so, and its retry goes on."""
    run = jobs.train(*COURSE)
    run.strike()
    job = run.submission.jobs_of(0)[0]
    os.kill(driver_process(run.submission.folder), signal.SIGKILL)
    cluster.wait_for(lambda: cluster.states(job).get(job) == "FAILED", 40, "the job to end")
    told = " ".join(jobs.start("status").split())
    assert "its driver ended before it could requeue it" in told and "status.retry queues it again" in told
    jobs.start("status", f"status.retry={run.home()}")
    run.wait()
    assert [attempt["status"] for attempt in run.attempts()] == ["lost", "finished"] and run.series() == quiet


@contextlib.contextmanager
def frozen(process: int) -> Iterator[None]:
    """A process that makes no progress, as one that waits for a dead disk: SIGSTOP again and again, since SLURM sends
    SIGCONT, too."""
    over = threading.Event()

    def stop() -> None:
        with contextlib.suppress(ProcessLookupError):
            while not over.wait(0.005):
                os.kill(process, signal.SIGSTOP)

    os.kill(process, signal.SIGSTOP)
    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


@contextlib.contextmanager
def frozen_in_a_checkpoint(run: Queued, rank: int) -> Iterator[None]:
    """`frozen` while a checkpoint is being written."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if not writing(run):
            time.sleep(0.001)
            continue
        with frozen(rank):
            time.sleep(0.1)
            if writing(run):
                yield
                return
    raise AssertionError("no checkpoint was caught in the middle")


def writing(run: Queued) -> bool:
    """Whether a checkpoint lies half-written."""
    return any((run.home() / "checkpoints").glob(".aside-step_*"))


def pending(process: int) -> int:
    """Signals that wait for a process, a bit each."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd:"))


def keep_open(file: Path):
    """A file that can be read to its end even when its name is gone."""
    return file.open("rb")


def driver_process(submission: Path) -> int:
    """Process id of the driver of a submission with one array task."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"slurm.driver" in words and str(submission).encode() in words and b"python" in words[0]:
                return int(process.name)
    raise AssertionError("the driver is not running")
