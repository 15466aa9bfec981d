"""What became of the array tasks of submissions: the queue, SLURM's accounting and the records of their drivers,
joined."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.tail import read_tail
from slurm.causes import cause
from slurm.commands import SlurmError, available
from slurm.queue import WAITING, Job, look_up
from slurm.submission import FAILED, FINISHED, REQUEUED, RUNNING, Array, Submission, submissions
from slurm.unanswered import SUBMITTING, arrays_of, is_young

QUEUED, CANCELLED, STOPPED = "queued", "cancelled", "stopped"


@dataclass(frozen=True)
class State:
    """Where an array task stands."""

    name: str
    """queued, running, requeued, finished, failed, cancelled or stopped."""
    job_id: str = ""
    """Of its attempt that runs or waits, else of its last one."""
    attempt: int = 0
    """Attempts begun."""
    note: str = ""
    """Why it waits or failed, in one line."""
    start: str = ""
    """When it is expected to start, where it waits and SLURM knows."""
    log: Path | None = None
    """Of the rank that died first where one did, else of rank 0; that of the batch script where no rank has one."""


@dataclass(frozen=True)
class Seen:
    """One array task of a submission, and where it stands."""

    submission: Submission
    index: int
    home: str
    """Absolute folder of its result."""
    state: State
    alive: list[str]
    """Ids of its jobs that run or wait; several where requeue=chain."""


def survey(runs_dir: str | Path) -> tuple[list[Seen], str]:
    """Every array task that was submitted from ``runs_dir``, of those with one and the same job and result the latest
    submission's; and why the states may be older than they should, else nothing."""
    latest: dict[tuple[str, str], dict[int, Submission]] = {}
    for submission in submissions(runs_dir):
        own: dict[tuple[str, str], dict[int, Submission]] = {}
        for point in submission.points:
            own.setdefault((submission.manifest["job"], os.path.abspath(point["home"])), {})[point["index"]] = (
                submission
            )
        latest |= own
    found = [
        (home, index, submission)
        for (_, home), array_tasks in latest.items()
        for index, submission in array_tasks.items()
    ]
    records = [read_record(submission, index) for _, index, submission in found]
    arrays, unasked = _arrays({submission.folder: submission for _, _, submission in found}.values())
    jobs, note = _ask(
        job
        for (_, index, submission), record in zip(found, records, strict=True)
        if record["state"] != FINISHED
        for array in arrays[submission.folder]
        if (job := array.job_of(index))
    )
    note = note or unasked
    seen = []
    for (home, index, submission), record in zip(found, records, strict=True):
        mine = arrays[submission.folder]
        alive = [job for array in mine if (job := array.job_of(index)) in (jobs or {}) and not jobs[job].over]
        seen.append(Seen(submission, index, home, state_of(submission, index, record, mine, jobs), alive))
    return seen, note


def read_record(submission: Submission, index: int) -> dict[str, Any]:
    """State and attempts of an array task as its driver left them; a file that cannot be read is told of in
    `broken`."""
    try:
        _ = submission.arrays
        return submission.array_task(index)
    except UserError as error:
        return {"state": FAILED, "attempts": [], "broken": str(error)}


def _arrays(found: Iterable[Submission]) -> tuple[dict[Path, list[Array]], str]:
    """Arrays of submissions by folder; and why some may be missing where SLURM could not be asked. A damaged record is
    left to `read_record`."""
    arrays, note = {}, ""
    for submission in found:
        arrays[submission.folder] = []
        with suppress(UserError):
            arrays[submission.folder] = submission.arrays
            if submission.asked and available():
                try:
                    arrays[submission.folder] = arrays_of(submission)
                except SlurmError as error:
                    note = f"{error}; states are as the jobs left them"
    return arrays, note


def _ask(array_task_ids: Iterable[str]) -> tuple[dict[str, Job] | None, str]:
    """What SLURM knows, None with the reason where it cannot be asked."""
    wanted = set(array_task_ids)
    if not wanted:
        return {}, ""
    if not available():
        return None, "SLURM's commands are not here: states are as the jobs left them"
    try:
        return look_up(wanted), ""
    except SlurmError as error:
        return None, f"{error}; states are as the jobs left them"


def state_of(
    submission: Submission, index: int, record: dict[str, Any], arrays: Iterable[Array], jobs: dict[str, Job] | None
) -> State:
    """Where an array task stands. ``record``: what its driver left; ``arrays``: those of its submission; ``jobs``: what
    `look_up` found, None where SLURM was not asked."""
    if "broken" in record:
        return State(FAILED, note=record["broken"])
    attempts = record["attempts"]
    ids = [job for array in arrays if (job := array.job_of(index))]
    known = {job: jobs[job] for job in ids if job in (jobs or {})}
    last = attempts[-1]["job_id"] if attempts else next(reversed(known), ids[-1] if ids else "")
    log = log_of(submission, index, record)
    alive = sorted(
        ((job, one) for job, one in known.items() if not one.over), key=lambda pair: pair[1].state in WAITING
    )
    if record["state"] == FINISHED:
        return State(FINISHED, last, len(attempts), log=log)
    if alive:
        job, one = alive[0]
        if one.state not in WAITING:
            return State(RUNNING, job, len(attempts), log=log)
        return State(REQUEUED if attempts else QUEUED, job, len(attempts), one.reason, one.start, log)
    if jobs is None and record["state"] != FAILED:  # nobody to ask
        return State(
            record["state"] or QUEUED, last, len(attempts), "as its driver left it; SLURM was not asked", log=log
        )
    if not ids and _is_being_submitted(submission):
        return State(QUEUED, note="sbatch", log=log)
    name, note = _ended(record, known.get(last), log, bool(ids))
    if name == CANCELLED and not attempts and (before := _unfinished(submission)):
        note = f"it waited for {before}, which did not finish; {note}"
    return State(name, last, len(attempts), note, log=log)


def _ended(record: dict[str, Any], job: Job | None, log: Path | None, queued: bool) -> tuple[str, str]:
    """Name and note of an array task that neither runs nor waits and has not finished."""
    last = record["attempts"][-1] if record["attempts"] else {}
    said = job.state if job else ""
    if said.startswith("CANCELLED"):
        return CANCELLED, "status.retry queues it again, and it goes on from what it has"
    if record["state"] == FAILED and last.get("cause"):
        return FAILED, last["cause"]
    if not queued:
        return STOPPED, "never queued: sbatch was refused or did not come to it; status.retry queues it"
    if job is None and not last:
        return STOPPED, "SLURM does not know its job any more and it never started; status.retry queues it again"
    if job is None and record["state"] != FAILED:
        return STOPPED, "SLURM does not know its job any more; status.retry queues it again"
    code = last.get("exit") if last.get("exit") is not None else job.exit if job else None
    why = cause(_tail(log), code, said)
    if said == "FAILED" and last and not last.get("ended"):
        why = (
            f"its driver ended before it could requeue it ({why}); status.retry queues it again, and it goes on from"
            " its last checkpoint"
        )
    return FAILED, why


def _unfinished(submission: Submission) -> str:
    """The first submission that this one waits for and that has not finished; empty where there is none."""
    for name in submission.manifest["after"]:
        try:
            former = Submission.read(submission.folder.parent / name)
            if any(former.array_task(point["index"])["state"] != FINISHED for point in former.points):
                return name
        except UserError:
            continue
    return ""


def _is_being_submitted(submission: Submission) -> bool:
    """Whether sbatch has not been called yet, or has not answered."""
    age = (datetime.now(UTC) - datetime.fromisoformat(submission.manifest["created"])).total_seconds()
    return is_young(submission) if submission.asked else age < SUBMITTING


def _tail(log: Path | None) -> str:
    """End of a log, which may be another user's."""
    try:
        return read_tail(log) if log else ""
    except OSError:
        return ""


def log_of(submission: Submission, index: int, record: dict[str, Any]) -> Path | None:
    """Log of the last attempt: of the rank that died first, else of rank 0, else of the batch script; None where there
    is none."""
    if not record["attempts"]:
        return None
    last = record["attempts"][-1]
    rank = submission.log_file(index, last["job_id"], last["number"], str(last.get("first_dead_rank") or 0))
    batch = submission.folder / "logs" / f"{last['job_id']}.batch.log"
    return next((file for file in (rank, batch) if os.path.isfile(file)), None)
