"""One fault at a time: a split brain, a full disk, a site without requeue, a sick node, jobs submitted by hand."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model.training.checkpoints.checkpoints import list_checkpoints, verify
from slurm.snapshot import PACKAGES
from slurm.submission import Submission
from tests.slurm.jobs import COURSE, ROOT, TRAINING, rank_process, read_series

pytestmark = pytest.mark.slurm


def test_a_split_brain_leaves_one_writer(cluster, jobs, quiet):
    """Only slurmd dies. Its rank, frozen while SLURM gives the node up and starts another attempt, wakes and finds
    itself superseded."""
    run = jobs.train(*COURSE)
    assert 0 < run.strike() < 400
    old = rank_process(run.submission.folder, 0)
    os.kill(old, signal.SIGSTOP)
    node = run.attempts()[0]["nodes"]
    cluster.node("kill-d", node)
    run.strike(attempt=2)
    assert run.attempts()[1]["nodes"] != node
    os.kill(old, signal.SIGCONT)
    run.wait()
    cluster.wait_for(lambda: not _alive(old), 20, "the superseded rank to end")
    log = (run.submission.log_file(0, run.submission.jobs_of(0)[0], 1, "0")).read_text()
    assert "has taken" in log and "Traceback" not in log
    assert run.series() == quiet
    assert [attempt["status"] for attempt in run.attempts()] == ["lost", "finished"]


@pytest.fixture
def small_disk(cluster):
    """A file system of 24 MB, empty before and after."""
    if cluster.small_disk is None:
        pytest.skip("needs the right to mount a small tmpfs")
    yield cluster.small_disk
    for path in cluster.small_disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_full_disk_costs_an_attempt_and_no_checkpoint(cluster, jobs, quiet, small_disk):
    """Too small from the start: refused. Filled on the way: the attempt fails and says why; with room again the same
    command goes on."""
    place = [f"runs_dir={small_disk}/runs"]
    said = jobs.start(
        "train", *TRAINING, *COURSE, *place, "cluster=slurm", "train.checkpoint.probe_every_steps=2", fails=True
    )
    assert "error: disk: up to" in said and "does not fit" in said
    assert not (small_disk / "runs" / "submissions").exists()
    run = jobs.train(*COURSE, *place, "cluster.restarts=0")
    run.strike()
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free - 200_000))
    run.wait("failed")
    assert "disk" in run.attempts()[0]["cause"]
    assert all(verify(checkpoint) is None for checkpoint in list_checkpoints(run.home()))
    assert not list((run.home() / "checkpoints").glob(".aside-*"))
    (small_disk / "ballast").unlink()
    again = jobs.train(*COURSE, *place).wait()
    assert again.series() == quiet


def test_a_site_without_requeue_chains_arrays(cluster, jobs, quiet):
    """Told to stop, the array task ends; its twin in the next array of the chain goes on; a third finds nothing left to
    do."""
    run = jobs.train(*COURSE, "cluster.requeue=chain", "cluster.chain=3")
    assert [array.count for array in run.submission.arrays] == [1, 1, 1]
    run.strike()
    subprocess.run(["scancel", "--signal=USR1", f"{run.job_id}_0"], check=True)
    run.wait()
    assert [attempt["job_id"] for attempt in run.attempts()] == run.submission.jobs_of(0)[:2]
    assert run.series() == quiet
    last = run.submission.jobs_of(0)[2]
    states = lambda: [row["State"] for row in cluster.accounting(last) if row["JobID"] == last]  # noqa: E731
    cluster.wait_for(lambda: states() == ["COMPLETED"], 30, "the last of the chain")


def test_the_preflight_names_a_silent_node_and_goes_elsewhere(cluster, jobs):
    """The preflight's process on the second node is frozen."""
    run = jobs.train(
        "train.steps=3",
        "train.micro_batch=2",
        "cluster.nodes=2",
        "cluster.preflight=true",
        "cluster.preflight_seconds=25",
    )
    frozen = lambda: _preflight_on("n2")  # noqa: E731
    cluster.wait_for(frozen, 30, "the preflight on n2")
    for process in _preflight_on("n2"):
        os.kill(process, signal.SIGSTOP)
    run.wait()
    first, second = run.attempts()
    assert first["cause"].startswith("preflight: n2: 0 of 1 ranks answered")
    assert "n2" not in second["nodes"].replace("n[1,3]", "")
    assert second["status"] == "finished"


def test_by_hand_and_in_salloc(cluster, jobs, quiet):
    """sbatch of slurm/job.sbatch is the same driver: signal, save, requeue, from what its first attempt froze; salloc
    runs in place."""
    env = {**os.environ, "TERZI_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    arguments = [f"runs_dir={jobs.runs_dir}", *jobs.overrides, *TRAINING, *COURSE]
    checkout = jobs.folder / "code"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--parsable", "--time=10", f"--output={jobs.folder}/%A_%a.out"]
    script = [*options, "slurm/job.sbatch", "train", "name=t", "run=hand", *arguments]
    job = subprocess.run(
        ["sbatch", *script], cwd=checkout, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()
    home = jobs.runs_dir / "t" / "hand"
    cluster.wait_for(lambda: len(read_series(home / "metrics.jsonl")) > 5, 240, "the first steps")
    (checkout / "conf" / "optim" / "stable_adamw.yaml").write_text("lr: broken\n")  # its requeue does not read it
    subprocess.run(["scancel", "--signal=USR1", f"{job}_0"], check=True)
    inside = [
        "salloc",
        "--quiet",
        "--ntasks-per-node=2",
        sys.executable,
        "-m",
        "jobs.train",
        "cluster=slurm",
        "name=t",
        "run=salloc",
    ]
    inside += [*arguments, "train.steps=5", "train.micro_batch=2"]
    done = subprocess.run(inside, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobs.manifest(jobs.runs_dir / "t" / "salloc")["attempts"][0]["ranks"] == 2
    cluster.wait_for(lambda: len(read_series(home / "metrics.jsonl")) == len(quiet), 240, "the end")
    (folder,) = jobs.runs_dir.glob(f"submissions/*job_{job}_0")
    submission = Submission.read(folder)
    cluster.wait_for(lambda: submission.array_task(0)["state"] == "finished", 20, "the driver to end")
    assert [attempt["status"] for attempt in submission.array_task(0)["attempts"]] == ["continue", "finished"]
    assert read_series(home / "metrics.jsonl") == quiet


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _preflight_on(node: str) -> list[int]:
    """Processes of the preflight whose slurmd is that of ``node``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words, env = ((process / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
        except OSError:
            continue
        if b"slurm.preflight" in words and b"python" in words[0] and f"SLURMD_NODENAME={node}".encode() in env:
            found.append(int(process.name))
    return found
