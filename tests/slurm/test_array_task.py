"""The record of an array task without a cluster: its attempts, what counts as progress, when another one is
hopeless."""

import shutil
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import write_json
from conf.schema import Config
from slurm.array_task import LOST, TIMED_OUT, ArrayTask
from slurm.submission import FAILED, REQUEUED, RUNNING, Point, Submission, freeze


@pytest.fixture
def submission(tmp_path, monkeypatch) -> Submission:
    """One point that may end in vain twice in a row, seen from within task 3 of array 12."""
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    config = Config(name="s", runs_dir=str(tmp_path / "runs"))
    config.cluster.restarts = 2
    home = tmp_path / "runs" / "s" / "seed_0"
    home.mkdir(parents=True)
    return freeze("train", [Point(config, str(home), "seed_0", str(home / "logs"))], tmp_path, "python")


@pytest.fixture
def task(submission) -> ArrayTask:
    return ArrayTask(submission, 0)


def attempt_in_vain(task: ArrayTask, status: str = "failed") -> None:
    task.begin()
    task.end(REQUEUED, status=status)


def save(task: ArrayTask, name: str = "checkpoints/step_0000005") -> Path:
    path = task.home / name
    path.mkdir(parents=True)
    return path


def test_as_many_in_vain_as_allowed_and_one_more(task):
    for expected in (False, False, True):
        attempt_in_vain(task)
        assert task.hopeless() == expected


@pytest.mark.parametrize("name", ["checkpoints/step_0000005", "eval/retrieval", "shards/0001", "stages/filter/0001"])
def test_whatever_an_attempt_gets_done_starts_the_count_anew(task, name):
    for _ in range(3):
        attempt_in_vain(task)
    save(task, name)
    assert not task.hopeless()
    for expected in (False, False, True):
        attempt_in_vain(task)
        assert task.hopeless() == expected


def test_halves_and_links_are_no_progress(task):
    for _ in range(3):
        attempt_in_vain(task)
    save(task, "checkpoints/.aside-step_0000005")
    (task.home / "checkpoints" / "last").symlink_to("step_0000005")
    assert task.hopeless()


def test_what_slurm_took_away_does_not_count_and_a_time_limit_does(task):
    for status in (LOST, "failed", LOST, TIMED_OUT, LOST):
        attempt_in_vain(task, status)
        assert not task.hopeless()
    attempt_in_vain(task)
    assert task.hopeless()


def test_another_job_counts_from_the_start(task, submission, monkeypatch):
    for _ in range(3):
        attempt_in_vain(task)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "14")
    again = ArrayTask(submission, 0)
    assert task.is_requeued() and not again.is_requeued()
    attempt_in_vain(again)
    assert (again.number, again.is_requeued(), again.hopeless()) == (4, True, False)


def test_an_attempt_is_recorded_from_its_start(task, submission, monkeypatch):
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "n1")
    task.begin()
    (first,) = submission.array_task(0)["attempts"]
    assert (first["number"], first["job_id"], first["restart"], first["nodes"]) == (1, "12_3", 0, "n1")
    assert first["started"] and first["ended"] is first["status"] is first["exit"] is None
    second = ArrayTask(submission, 0)
    second.begin()
    lost, now = submission.array_task(0)["attempts"]
    assert lost["status"] == LOST and (now["number"], now["restart"], now["nodes"]) == (2, 1, "n1")
    assert submission.array_task(0)["state"] == RUNNING
    second.end(FAILED, exit=3, cause="disk full")
    ended = submission.array_task(0)
    assert ended["state"] == FAILED and (ended["attempts"][-1]["exit"], ended["attempts"][-1]["cause"]) == (
        3,
        "disk full",
    )
    assert ended["attempts"][-1]["ended"] >= ended["attempts"][-1]["started"]


def test_a_later_attempt_has_overtaken_this_one(task, submission):
    task.begin()
    assert not task.overtaken()
    ArrayTask(submission, 0).begin()
    assert task.overtaken()


def test_a_removed_run_is_known_by_its_logs(task, submission, tmp_path):
    assert not task.is_removed()
    shutil.rmtree(task.home)
    assert task.is_removed()
    submission.points[0]["logs"] = str(tmp_path / "elsewhere")
    assert not task.is_removed()


def test_a_removed_submission_is_not_made_anew(task, submission):
    task.begin()
    shutil.rmtree(submission.folder)
    with pytest.raises(UserError, match="was removed"):
        task.write(FAILED)
    assert not submission.folder.exists()


def test_each_attempt_has_an_outcome_of_its_own(task):
    task.begin()
    write_json(task.outcome_file(), {"status": "finished"})
    task.begin()
    assert task.outcome_file().name == "0000_attempt_2.json" and not task.outcome_file().exists()
