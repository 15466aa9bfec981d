"""Orders outlive who made them, and SLURM being away. What becomes of them on a cluster: test_probes.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from conf.schema import Config
from slurm import outbox
from slurm.commands import SlurmError
from slurm.submission import FAILED, FINISHED, Array, Point, Submission
from slurm.submit import prepare

ROOT = Path(__file__).resolve().parents[2]
ORDER_AND_DIE = """
import os, signal, sys
from conf.schema import Config
from slurm import outbox
from slurm.submission import Point
config = Config(name="mine", runs_dir=sys.argv[2], seed=7)
config.sweep.step = 10
outbox.put(sys.argv[1], "step_0000010", "sweep", Point(config, sys.argv[1] + "/checkpoints/step_0000010", "probe"))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def run(tmp_path) -> Path:
    """A run folder with an order from a process that was killed right after it."""
    folder = tmp_path / "runs" / "mine" / "seed_7"
    done = subprocess.run([sys.executable, "-c", ORDER_AND_DIE, folder, tmp_path / "runs"], cwd=ROOT, timeout=60)
    assert done.returncode == -9
    return folder


@pytest.fixture
def no_slurm(monkeypatch, tmp_path):
    """No command of SLURM is in the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))


def submitted(run: Path, state: str = "", cause: str | None = None) -> Submission:
    """As after a `drain` whose element ended in ``state``."""
    order = outbox.read_json(run / "outbox" / "step_0000010.json")
    (submission,) = prepare("sweep", [Point(Config(runs_dir=str(run.parents[1])), order["home"])]).submissions
    submission.queued([Array("17", 0, 1)])
    if state:
        outbox.write_json(submission.element_file(0), {"state": state, "attempts": [{"cause": cause}]})
    known = {"submission": str(submission.folder), "element": 0, "jobs": ["17_0"]}
    outbox.write_json(run / "outbox" / "submitted" / "step_0000010.json", order | known)
    return submission


def test_an_order_outlives_its_process_and_a_missing_slurm(run, no_slurm):
    assert outbox.ordered(run, "step_0000010") and not outbox.ordered(run, "step_0000020")
    for _ in range(2):
        with pytest.raises(SlurmError, match="scontrol is not here"):
            outbox.drain(run)
        assert outbox.ordered(run, "step_0000010")
        assert not (run.parents[1] / "submissions").exists()
    order = outbox.read_json(run / "outbox" / "step_0000010.json")
    assert order["origin"]["workdir"] == str(ROOT) and Path(order["origin"]["snapshot"]).parent == run.parents[1] / "snapshots"
    assert (order["config"]["seed"], order["config"]["sweep"]["step"]) == (7, 10)


def test_runs_are_found_by_what_was_submitted(run, no_slurm):
    runs_dir = run.parents[1]
    assert outbox.drain_all(runs_dir) == []
    prepare("train", [Point(Config(runs_dir=str(runs_dir)), str(run)), Point(Config(runs_dir=str(runs_dir)), str(run) + "_other")])
    (told,) = outbox.drain_all(runs_dir)
    assert told.startswith(f"{run}: scontrol is not here") and told.endswith(str(run / "outbox"))


def test_an_order_that_was_submitted_is_not_submitted_again(run, no_slurm):
    """Who submitted it died before it could remove it."""
    submitted(run)
    assert outbox.drain(run) == []
    assert not outbox.ordered(run, "step_0000010")


@pytest.mark.parametrize(("state", "cause"), [("", None), (FINISHED, None), (FAILED, "out of memory")])
def test_what_became_of_an_order(run, state, cause):
    submission = submitted(run, state, cause)
    known = outbox.record(run, "step_0000010")
    assert outbox.state(known) == (state, cause or "")
    assert outbox.records(run) == {"step_0000010": known} and known["submission"] == str(submission.folder)
