"""Where an array task stands: what its driver wrote, what squeue and sacct say, and both after a cancellation and a
retry on a real SLURM."""

import re
import shutil
import time
from datetime import UTC, datetime

import pytest

from common.errors import UserError
from common.files import write_json
from conf.schema import Config
from jobs.launch import control
from slurm.queue import Job, array_tasks_of
from slurm.states import read_record, survey
from slurm.states import state_of as state_with
from slurm.submission import Array, Point, Submission, freeze, submissions

RUNNING, PENDING = Job("RUNNING"), Job("PENDING", "Priority", "2026-11-22T14:20:00")


@pytest.fixture(scope="module")
def frozen(tmp_path_factory) -> Submission:
    """Two points."""
    folder = tmp_path_factory.mktemp("submission")
    config = Config(name="s", runs_dir=str(folder / "runs"))
    points = [
        Point(config, str(folder / "runs" / "s" / f"seed={n}"), f"seed={n}", str(folder / "logs" / str(n)))
        for n in (0, 1)
    ]
    return freeze("train", points, folder, "python")


@pytest.fixture
def submission(frozen, tmp_path) -> Submission:
    """The two points, queued as task 0 and 1 of array 12; no driver has written yet."""
    shutil.copytree(frozen.folder, tmp_path / "runs" / "submissions" / frozen.folder.name)
    found = Submission(tmp_path / "runs" / "submissions" / frozen.folder.name, frozen.manifest)
    found.queued([Array("12", 0, 2)])
    shutil.rmtree(frozen.points[0]["logs"], ignore_errors=True)
    return found


def state_of(submission: Submission, index: int, arrays: list[Array], jobs: dict[str, Job]):
    return state_with(submission, index, read_record(submission, index), arrays, jobs)


def attempt(number: int = 1, **fields) -> dict:
    """An attempt as a driver records it."""
    known = {
        "number": number,
        "job_id": "12_0",
        "restart": 0,
        "nodes": "n1",
        "started": "2026-11-22T04:00:00Z",
        "ended": None,
    }
    return known | {"status": None, "exit": None, "cause": None, "first_dead_rank": None} | fields


def record(submission: Submission, state: str, *attempts: dict) -> None:
    write_json(submission.array_task_file(0), {"state": state, "attempts": list(attempts)})


CASES = [  # record of the driver; what SLURM says; name, attempt and note that follow
    (None, PENDING, ("queued", 0, "Priority")),
    (None, RUNNING, ("running", 0, "")),
    (("running", attempt()), RUNNING, ("running", 1, "")),
    (("running", attempt()), PENDING, ("requeued", 1, "Priority")),  # preempted, or its node died
    (("failed", attempt(status="failed", cause="disk full")), PENDING, ("requeued", 1, "Priority")),
    (("failed", attempt(status="failed", cause="disk full")), Job("FAILED"), ("failed", 1, "disk full")),
    (("failed", attempt(status="failed", cause="disk full")), None, ("failed", 1, "disk full")),
    (("finished", attempt(status="finished")), Job("COMPLETED"), ("finished", 1, "")),
    (("finished", attempt(status="finished")), PENDING, ("finished", 1, "")),  # the rest of a chain
    (("running", attempt()), Job("TIMEOUT"), ("failed", 1, "time limit: the same command continues")),
    (("running", attempt()), Job("NODE_FAIL"), ("failed", 1, "the node failed")),
    (
        ("running", attempt()),
        Job("FAILED", exit=137),
        ("failed", 1, "its driver ended before it could requeue it (killed (SIGKILL) with"),
    ),
    (("running", attempt()), Job("OUT_OF_MEMORY", exit=137), ("failed", 1, "out of memory, and killed by SLURM")),
    (("running", attempt()), Job("CANCELLED by 1000"), ("cancelled", 1, "status.retry queues it again")),
    (None, Job("CANCELLED by 1000"), ("cancelled", 0, "status.retry queues it again")),
    (("running", attempt()), None, ("stopped", 1, "SLURM does not know its job any more; status.retry")),
    (None, None, ("stopped", 0, "SLURM does not know its job any more and it never started; status.retry")),
    (("running", attempt(1, status="lost"), attempt(2)), RUNNING, ("running", 2, "")),
]


@pytest.mark.parametrize(("written", "job", "expected"), CASES)
def test_record_and_queue_joined(submission, written, job, expected):
    if written:
        record(submission, *written)
    found = state_of(submission, 0, submission.arrays, {"12_0": job} if job else {})
    assert (found.name, found.attempt) == expected[:2] and found.note.startswith(expected[2])
    assert found.job_id == "12_0" and found.start == (job.start if found.name in ("queued", "requeued") else "")


def test_first_the_log_of_the_rank_that_died_first(submission):
    last = attempt(status="failed", exit=1, first_dead_rank=3)
    record(submission, "failed", last)
    batch = submission.folder / "logs" / "12_0.batch.log"
    batch.write_text("sbatch said this\n")
    assert state_of(submission, 0, submission.arrays, {}).log == batch
    dead = submission.log_file(0, "12_0", 1, "3")
    dead.parent.mkdir(parents=True)
    dead.write_text("Traceback (most recent call last):\nMemoryError\n")
    submission.log_file(0, "12_0", 1, "0").write_text(
        "RuntimeError: [pair.cc:537] Read error: Connection reset by peer\n"
    )
    found = state_of(submission, 0, submission.arrays, {})
    assert found.log == dead and found.note.startswith("out of memory: raise cluster.mem")


def test_an_array_of_a_retry_covers_only_what_it_was_given(submission):
    """Array 14 was queued for array task 0 alone: that array task 1 has no job there does not hide the job that it
    had."""
    submission.queued([Array("12", 0, 2), Array("14", 0, 2)])
    jobs = {"12_0": Job("FAILED"), "12_1": RUNNING, "14_0": PENDING}
    assert [state_of(submission, index, submission.arrays, jobs).job_id for index in (0, 1)] == ["14_0", "12_1"]


@pytest.mark.parametrize("running", ["12_0", "14_0"])
def test_of_two_jobs_the_one_that_runs_counts(submission, running):
    """A chain queues the next link while this one runs; whichever array was queued first."""
    submission.queued([Array("12", 0, 2), Array("14", 0, 2)])
    record(submission, "running", attempt(job_id=running))
    jobs = {"12_0": PENDING, "14_0": PENDING} | {running: RUNNING}
    state = state_of(submission, 0, submission.arrays, jobs)
    assert (state.name, state.job_id) == ("running", running)


def test_ids_as_slurm_shortens_them():
    assert array_tasks_of("12_[0-2,5%4]") == ["12_0", "12_1", "12_2", "12_5"]
    assert [array_tasks_of(job) for job in ("12_[3]", "12_3", "12")] == [["12_3"], ["12_3"], ["12"]]


def test_never_queued(submission, tmp_path):
    (submission.folder / "jobs.json").unlink()
    assert (state_of(submission, 0, [], {}).name, state_of(submission, 0, [], {}).note) == ("queued", "sbatch")
    old = Submission(submission.folder, submission.manifest | {"created": "2026-01-01T00:00:00Z"})
    assert state_of(old, 0, [], {}).note.startswith("never queued: sbatch was refused")


def test_a_broken_record_is_named(submission):
    submission.array_task_file(0).write_text("{")
    found = state_of(submission, 0, submission.arrays, {})
    assert found.name == "failed" and str(submission.array_task_file(0)) in found.note


def test_without_slurm_states_are_as_the_jobs_left_them(submission, tmp_path, monkeypatch):
    record(submission, "running", attempt())
    monkeypatch.setenv("PATH", str(tmp_path))
    seen, note = survey(tmp_path / "runs")
    assert [array_task.state.name for array_task in seen] == [
        "running",
        "queued",
    ] and "SLURM's commands are not here" in note


def test_what_waited_for_something_that_failed_says_so(submission, tmp_path):
    config = Config(name="s", runs_dir=str(tmp_path / "runs"))
    then = freeze("export", [Point(config, "export")], tmp_path, "python", after=[submission.folder.name])
    then.queued([Array("15", 0, 1)])
    found = state_of(then, 0, then.arrays, {"15_0": Job("CANCELLED")})
    assert found.note.startswith(f"it waited for {submission.folder.name}, which did not finish")


def test_the_latest_submission_of_a_result_counts(submission, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    config = Config(name="s", runs_dir=str(tmp_path / "runs"))
    later = freeze("train", [Point(config, submission.points[1]["home"])], tmp_path, "python")
    later = later.folder.rename(later.folder.with_name("99991231-000000-train-abcdef"))
    seen, _ = survey(tmp_path / "runs")
    assert [(array_task.submission.folder, array_task.index) for array_task in seen] == [
        (submission.folder, 0),
        (later, 0),
    ]


@pytest.fixture
def clock(monkeypatch):
    """Sets the time zone of this process; reset at the end."""

    def zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield zone
    monkeypatch.undo()
    time.tzset()


def test_later_submissions_sort_later_in_any_time_zone(tmp_path, clock):
    """Also those of one second, and those from a machine whose clock is set to another zone."""
    config, made = Config(name="s", runs_dir=str(tmp_path)), []
    for zone in ("Asia/Tokyo", "Europe/Istanbul", "UTC", "America/Los_Angeles", "Asia/Tokyo") * 3:
        clock(zone)
        made.append(freeze("train", [Point(config, "home")], tmp_path, "python"))
    assert [one.folder for one in submissions(tmp_path)] == [one.folder for one in made]
    created = [datetime.fromisoformat(one.manifest["created"]) for one in made]
    assert created == sorted(created) and abs((datetime.now(UTC) - created[-1]).total_seconds()) < 60


@pytest.mark.slurm
def test_cancelled_and_queued_again_on_a_real_cluster(jobs, cluster):
    folder = f"data.tokenizer={jobs.folder}/tokenizer_${{tokenizer.vocab_size}}"
    queued = jobs.queue("tokenizer", folder, "tokenizer.vocab_size=300,90000", multirun=True)
    later = jobs.queue("tokenizer", folder, "tokenizer.vocab_size=310", "cluster.sbatch.begin=now+1hour")
    cluster.wait_for(lambda: (queued.state(0), queued.state(1)) == ("finished", "failed"), 60, "a result and a failure")
    said = jobs.start("status")
    assert re.search(rf"^tokenizer \S+tokenizer_310 +queued +{later.job_id}_0 .* from \d\d:\d\d", said, re.MULTILINE)
    assert re.search(rf"^tokenizer \S+tokenizer_300 +finished +{queued.job_id}_0 +1 ", said, re.MULTILINE)
    assert re.search(
        r"^failed: the text gives only \d+ tokens of tokenizer.vocab_size=90000; .*\n.*_rank_0.log$", said, re.MULTILINE
    )
    assert "\nwaiting for: BeginTime\n" in said and "\n1 queued, 1 failed, 1 finished\nnext: " in said

    config = Config(runs_dir=str(jobs.runs_dir))
    with pytest.raises(UserError, match="nothing of it is queued or runs"):
        control.cancel(config, str(queued.submission.folder))
    assert control.cancel(config, f"{later.job_id}_0") == [f"{later.job_id}_0"]
    with pytest.raises(UserError, match="all of it has finished, is queued or runs"):
        control.retry(config, str(queued.home(0)))
    states = lambda: [array_task.state.name for array_task in survey(jobs.runs_dir)[0]]  # noqa: E731
    cluster.wait_for(lambda: states() == ["finished", "failed", "cancelled"], 20, "the cancellation")

    control.retry(config, queued.submission.folder.name)
    again = Submission.read(queued.submission.folder).arrays[-1].job_id
    assert list(cluster.states(again)) == [f"{again}_1"]
    cluster.wait_for(lambda: len(queued.attempts(1)) == 2 and queued.state(1) == "failed", 60, "the second attempt")
    assert len(queued.attempts(0)) == 1
