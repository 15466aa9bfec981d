"""Orders outlive who made them, and SLURM being away. What becomes of them on a cluster: test_probes.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conf.schema import Config
from slurm import outbox
from slurm.commands import SlurmError
from slurm.ownership import tree
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
    """As after a `drain` whose array task ended in ``state``."""
    order = outbox.read_json(run / "outbox" / "step_0000010.json")
    (submission,) = prepare("sweep", [Point(Config(runs_dir=str(run.parents[1])), order["home"])]).submissions
    submission.queued([Array("17", 0, 1)])
    if state:
        outbox.write_json(
            submission.array_task_file(0), {"state": state, "attempts": [{"number": 1, "job_id": "17", "cause": cause}]}
        )
    known = {"submission": str(submission.folder), "array_task": 0}
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
    assert (
        order["origin"]["workdir"] == str(ROOT)
        and Path(order["origin"]["snapshot"]).parent == run.parents[1] / "snapshots"
    )
    assert (order["config"]["seed"], order["config"]["sweep"]["step"]) == (7, 10)


def test_runs_are_found_by_what_was_submitted(run, no_slurm):
    runs_dir = run.parents[1]
    assert outbox.drain_all(runs_dir) == []
    prepare(
        "train",
        [Point(Config(runs_dir=str(runs_dir)), str(run)), Point(Config(runs_dir=str(runs_dir)), str(run) + "_other")],
    )
    (told,) = outbox.drain_all(runs_dir)
    assert told.startswith(f"{run}: scontrol is not here") and told.endswith(str(run / "outbox"))


NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def linked(file: Path) -> None:
    file.rename(file.with_suffix(".mine"))
    file.symlink_to(file.with_suffix(".mine"))


OTHERS = {  # what makes an order one that somebody else may have written
    "another user's": pytest.param(lambda file: os.chown(file, NOBODY, NOBODY), "nobody", marks=as_root),
    "writable by the group": pytest.param(lambda file: file.chmod(0o660), "", id="group"),
    "a link": pytest.param(linked, "", id="link"),
    "a second name": pytest.param(lambda file: os.link(file, file.with_suffix(".mine")), "", id="second name"),
}


@pytest.mark.parametrize(("change", "name"), OTHERS.values())
def test_the_order_of_another_is_left_to_them(run, no_slurm, change, name):
    """A command for looking submits nothing of theirs, and says in one line that it waits."""
    runs_dir, file = run.parents[1], run / "outbox" / "step_0000010.json"
    prepare("train", [Point(Config(runs_dir=str(runs_dir)), str(run))])
    change(file)
    assert outbox.drain(run) == [] and outbox.others(run) == [file] and not outbox.ordered(run, "step_0000010")
    (told,) = outbox.drain_all(runs_dir)
    assert told.startswith(f"1 order of {name}") and told.endswith(f"left for them to submit, the first {file}")


def test_an_order_is_its_users_alone_whatever_the_umask(run, tmp_path):
    before = os.umask(0)
    try:
        outbox.put(run, "step_0000020", "sweep", Point(Config(runs_dir=str(tmp_path / "open")), str(run)))
        (submission,) = prepare("sweep", [Point(Config(runs_dir=str(tmp_path / "open")), str(run))]).submissions
    finally:
        os.umask(before)
    assert (run / "outbox" / "step_0000020.json").stat().st_mode & 0o777 == 0o600
    assert not submission.foreign()
    assert not [
        path
        for folder in (submission.folder, submission.snapshot)
        for path in tree(folder)
        if path.stat().st_mode & 0o022
    ]


def test_code_and_submissions_are_closed_to_those_to_whom_the_umask_closes_them(run, tmp_path):
    before = os.umask(0o027)
    try:
        (submission,) = prepare("sweep", [Point(Config(runs_dir=str(tmp_path / "closed")), str(run))]).submissions
    finally:
        os.umask(before)
    modes = {
        path.stat().st_mode & 0o777 for folder in (submission.folder, submission.snapshot) for path in tree(folder)
    }
    assert modes == {0o750, 0o640, 0o440}


def test_an_order_whose_code_was_changed_is_not_submitted(run, no_slurm):
    snapshot = Path(outbox.read_json(run / "outbox" / "step_0000010.json")["origin"]["snapshot"])
    file = snapshot / "slurm" / "driver.py"
    file.chmod(0o644)
    file.write_text("print('changed')")
    (told,) = outbox.drain(run)
    assert told.startswith(f"step_0000010 is not queued: {snapshot} is not the code that was submitted; remove ")
    assert outbox.ordered(run, "step_0000010")


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
