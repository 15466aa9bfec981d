"""The copy of the code that jobs run: this user's own bytes, whoever prepared a folder of its name."""

import os
import shutil
from pathlib import Path

import pytest

from common.errors import UserError
from conf.schema import Config
from jobs.launch.points import show
from slurm.allocation import frozen
from slurm.commands import SlurmError
from slurm.snapshot import altered, take_snapshot
from slurm.submission import FOLDER, Point, freeze, submissions
from slurm.submit import prepare, resubmit, submit

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture(scope="module")
def taken(tmp_path_factory) -> Path:
    """A snapshot, to copy."""
    return take_snapshot(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def snapshot(taken, tmp_path) -> Path:
    """One to change, in `tmp_path`."""
    shutil.copytree(taken, tmp_path / "snapshots" / taken.name)
    return tmp_path / "snapshots" / taken.name


def test_it_is_taken_once(snapshot, tmp_path):
    assert take_snapshot(tmp_path) == snapshot and altered(snapshot) == ""
    (snapshot / "slurm" / "__pycache__" / "driver.cpython-311.pyc").write_bytes(b"compiled")  # by a job that ran
    assert take_snapshot(tmp_path) == snapshot and len(list(snapshot.parent.iterdir())) == 1


@pytest.fixture
def refusing(tmp_path, monkeypatch) -> Config:
    """A site whose sbatch refuses everything."""
    (tmp_path / "bin").mkdir()
    says = {"sbatch": "echo 'sbatch: error: no such account' >&2; exit 1", "scontrol": "echo 'MaxArraySize = 1001'"}
    for name in ("sbatch", "srun", "squeue", "sacct", "scontrol", "sinfo"):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{says.get(name, ':')}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    config = Config(name="q", runs_dir=str(tmp_path / "runs"))
    config.cluster.kind = "slurm"
    return config


def test_what_sbatch_refuses_leaves_nothing_but_what_others_run(refusing, tmp_path):
    point = Point(refusing, str(tmp_path / "out"), "")
    with pytest.raises(SlurmError, match="no such account"):
        submit("tokenizer", [point])
    assert not (tmp_path / "runs").exists()
    (other,) = prepare("tokenizer", [point]).submissions
    with pytest.raises(SlurmError, match="no such account"):
        submit("tokenizer", [point])
    assert [one.folder for one in submissions(refusing.runs_dir)] == [other.folder] and altered(other.snapshot) == ""


def test_showing_what_would_be_queued_leaves_nothing(refusing, tmp_path, capsys):
    show("tokenizer", [Point(refusing, str(tmp_path / "out"), "")])
    assert "#SBATCH" in capsys.readouterr().out and not (tmp_path / "runs").exists()


def edit(snapshot: Path) -> None:
    file = snapshot / "slurm" / "driver.py"
    file.chmod(0o644)
    file.write_text(file.read_text() + "# changed")


def link(snapshot: Path) -> None:
    shutil.rmtree(snapshot / "jobs")
    (snapshot / "jobs").symlink_to(Path(__file__).parents[2] / "jobs")


def plant(snapshot: Path) -> None:
    file = snapshot / "slurm" / "__pycache__" / "driver.cpython-311.pyc"
    file.write_bytes(b"compiled by another")
    os.chown(file, NOBODY, NOBODY)


CHANGES = {
    "edited": edit,
    "a file more": lambda snapshot: (snapshot / "slurm" / "sitecustomize.py").write_text("print('mine')"),
    "a file less": lambda snapshot: (snapshot / "slurm" / "driver.py").unlink(),
    "a link": link,
    "open to others": lambda snapshot: (snapshot / "slurm").chmod(0o777),
    "another user's": pytest.param(lambda snapshot: os.chown(snapshot, NOBODY, NOBODY), marks=as_root),
    "another user's bytecode": pytest.param(plant, marks=as_root),
    "no folder": lambda snapshot: shutil.rmtree(snapshot) or snapshot.write_text(""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_folder_of_its_name_that_is_something_else_is_not_used(snapshot, tmp_path, taken, change):
    change(snapshot)
    assert altered(snapshot)
    own = take_snapshot(tmp_path)
    assert own != snapshot and own.parent == snapshot.parent and altered(own) == ""
    assert take_snapshot(tmp_path) == own


@as_root
@pytest.mark.parametrize("part", ["", "submission.json", "points/0000.yaml", "code"])
def test_what_another_user_submitted_is_not_queued_again(tmp_path, monkeypatch, part):
    """Nor taken up by a requeued batch script that finds it under its own name."""
    (submission,) = prepare("train", [Point(Config(runs_dir=str(tmp_path)), "home")]).submissions
    changed = submission.snapshot / "slurm" / "driver.py" if part == "code" else submission.folder / part
    os.chown(changed, NOBODY, NOBODY)
    with pytest.raises(
        UserError, match=f"{changed} belongs to another user, so {submission.folder} is not queued from here"
    ):
        resubmit(submission.folder, [0])
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    mine = freeze(
        "train", [Point(Config(runs_dir=str(tmp_path)), "home")], take_snapshot(tmp_path), "python", mark="job_12"
    )
    assert frozen("train", str(tmp_path)).folder == mine.folder
    submission.folder.rename(tmp_path / FOLDER / "9-train-job_12")
    assert frozen("train", str(tmp_path)).folder == mine.folder
