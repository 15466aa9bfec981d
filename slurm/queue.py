"""What SLURM says of the array tasks of arrays: squeue, and sacct for those that squeue has forgotten."""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from common.claim import Holder
from slurm.commands import SlurmError, Unreachable, run

ENDED = {
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "BOOT_FAIL",
    "DEADLINE",
    "REVOKED",
}
OVER = ENDED | {"PREEMPTED"}
"""States in which a job that squeue still shows is over. One that SLURM runs again after a preemption is shown as
pending."""
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
"""States in which a job has not started, or not again."""
AT_ONCE = 1000
"""Ids in one command line."""
WHOLE = {"SLURM_BITSTR_LEN": "0"}
"""With it SLURM does not cut long lists of array tasks short."""


@dataclass(frozen=True)
class Job:
    """What SLURM says of one array task of an array."""

    state: str
    """As squeue and sacct name it: RUNNING, TIMEOUT, CANCELLED by 1000."""
    reason: str = ""
    """Why it waits."""
    start: str = ""
    """When a waiting job is expected to start, as ISO time; empty where SLURM does not know."""
    exit: int | None = None
    """Exit status, 128 + n for signal n; None where it is not known."""

    @property
    def over(self) -> bool:
        """Whether it neither runs nor waits."""
        return self.state.partition(" ")[0] in OVER


def look_up(array_task_ids: Iterable[str]) -> dict[str, Job]:
    """What SLURM knows of array tasks (``12_3``): from squeue, else from the accounting where the site keeps one.

    Raises SlurmError where the controller does not answer."""
    wanted = set(array_task_ids)
    found = _queue(wanted)
    ended = {
        array_task for array_task in wanted if array_task not in found or found[array_task].over
    }  # of these sacct knows the exit status
    told = _accounting(ended)
    found |= {
        job: known for job, known in told.items() if known.over and (job not in found or found[job].over)
    }  # sacct lags
    whole = {array_task: found.get(array_task) or found.get(array_task.partition("_")[0]) for array_task in wanted}
    return {array_task: job for array_task, job in whole.items() if job}


def living(job_ids: Iterable[str]) -> dict[str, str]:
    """State by id of those array tasks that wait or run; ``job_ids`` are array tasks or whole arrays, of any user.
    Raises SlurmError."""
    wanted = set(job_ids)
    known = _queue(wanted).items()
    return {
        array_task: job.state
        for array_task, job in known
        if not job.over and {array_task, array_task.partition("_")[0]} & wanted
    }


def runs(holder: Holder) -> bool:
    """Whether the job of ``holder`` (`common.claim`) runs, and so the holder lives; what cannot be known is
    believed."""
    if not holder["job"]:
        return True
    try:
        return living([holder["job"]]).get(holder["job"]) == "RUNNING"
    except SlurmError:
        return True


def arrays_named(ending: str, user: int, since: float) -> list[str]:
    """Ids of the arrays of ``user`` (a uid) that were submitted after ``since`` (seconds since the epoch) with a job
    name that ends so, as far as squeue and sacct know them. Raises SlurmError."""
    shown = ["--noheader", f"--user={user}"]
    rows = run(["squeue", *shown, "--all", "--states=all", "--format=%F|%j"]).splitlines()
    begin = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since - 60))  # clocks differ
    with suppress(SlurmError):  # a site without accounting
        rows += run(
            ["sacct", *shown, "-X", "--parsable2", f"--starttime={begin}", "--format=JobID,JobName"], variables=WHOLE
        ).splitlines()
    found = {job.partition("_")[0] for job, _, name in (row.partition("|") for row in rows) if name.endswith(ending)}
    return sorted(found, key=int)


def _queue(job_ids: Iterable[str]) -> dict[str, Job]:
    """What squeue knows of jobs, by array task."""
    return {
        array_task: Job(state, reason, "" if start == "N/A" else start)
        for some in _arrays(job_ids)
        for job, state, reason, start in (row.split("|") for row in _rows(some))
        for array_task in array_tasks_of(job)
    }


def _arrays(job_ids: Iterable[str]) -> list[list[str]]:
    """Ids of the arrays of array tasks, as many at once as go into one command line."""
    ids = sorted({job.partition("_")[0] for job in job_ids}, key=int)
    return [ids[first : first + AT_ONCE] for first in range(0, len(ids), AT_ONCE)]


def _rows(array_ids: Sequence[str]) -> list[str]:
    """Rows of squeue. It refuses an id that it has forgotten where that is the only one, and may where it is one of
    several."""
    asked = f"--jobs={','.join(array_ids)}"
    try:
        return run(
            ["squeue", asked, "--all", "--array", "--noheader", "--states=all", "--format=%i|%T|%r|%S"], variables=WHOLE
        ).splitlines()
    except Unreachable:
        raise
    except SlurmError as error:
        if "invalid job id" not in str(error).lower():
            raise
        half = len(array_ids) // 2
        return [*_rows(array_ids[:half]), *_rows(array_ids[half:])] if half else []


def array_tasks_of(job: str) -> list[str]:
    """``12_[0-2,5%4]``, as SLURM writes array tasks that ended before they began, one by one; any other id as it is.

    A bare ``12`` stands for all that are not named otherwise."""
    array, bracket, tasks = job.partition("_[")
    if not bracket:
        return [job]
    found = []
    for part in tasks.rstrip("]").partition("%")[0].split(","):
        first, _, last = part.partition("-")
        found += [f"{array}_{task}" for task in range(int(first), int(last or first) + 1)]
    return found


def _accounting(job_ids: Iterable[str]) -> dict[str, Job]:
    """The last incarnation of each array task as sacct has it; nothing where the site keeps no accounting."""
    show = ["sacct", "-X", "--allusers", "--noheader", "--parsable2", "--format=JobID,State,ExitCode"]
    try:
        rows = [
            row
            for some in _arrays(job_ids)
            for row in run([*show, f"--jobs={','.join(some)}"], variables=WHOLE).splitlines()
        ]
    except SlurmError:
        return {}
    found = {}
    for row in rows:
        job, state, ended = row.split("|")
        code, _, number = ended.partition(":")
        known = Job(state, exit=128 + int(number) if int(number or 0) else int(code or 0))
        found |= dict.fromkeys(array_tasks_of(job), known)
    return found
