"""What became of the elements of submissions: the queue, SLURM's accounting and the records of their drivers, joined."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.tail import read_tail
from slurm.causes import cause
from slurm.commands import ENDED, SlurmError, run
from slurm.submission import FAILED, FINISHED, REQUEUED, RUNNING, Array, Submission

QUEUED, CANCELLED, STOPPED = "queued", "cancelled", "stopped"
OVER = ENDED | {"PREEMPTED", "REVOKED"}
"""States in which a job that squeue still shows is over. One that SLURM runs again after a preemption is shown as pending."""
_WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}


@dataclass(frozen=True)
class Job:
    """What SLURM says of one element of an array."""

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


@dataclass(frozen=True)
class State:
    """Where an element stands."""

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


def look_up(array_ids: Iterable[str]) -> dict[str, Job]:
    """What SLURM knows of the elements of arrays, by id (``12_3``): from squeue, else from the accounting where the site keeps one.

    Raises SlurmError where the controller does not answer."""
    wanted = set(array_ids)
    if not wanted:
        return {}
    rows = run(["squeue", "--me", "--array", "--noheader", "--states=all", "--format=%i|%T|%r|%S"]).splitlines()
    found = {job: Job(state, reason, "" if start == "N/A" else start) for job, state, reason, start in (row.split("|") for row in rows)}
    forgotten = wanted - {job.partition("_")[0] for job in found}
    if forgotten:
        found |= _accounting(sorted(forgotten, key=int))
    return {job: known for job, known in found.items() if job.partition("_")[0] in wanted}


def _accounting(array_ids: list[str]) -> dict[str, Job]:
    """The last incarnation of each element as sacct has it; nothing where the site keeps no accounting."""
    try:
        rows = run(["sacct", "-X", "--noheader", "--parsable2", "--format=JobID,State,ExitCode", f"--jobs={','.join(array_ids)}"])
    except SlurmError:
        return {}
    found = {}
    for row in rows.splitlines():
        job, state, ended = row.split("|")
        code, _, number = ended.partition(":")
        found[job] = Job(state, exit=128 + int(number) if int(number or 0) else int(code or 0))
    return found


def state_of(submission: Submission, index: int, arrays: Iterable[Array], jobs: dict[str, Job] | None) -> State:
    """Where an element stands. ``arrays``: those of its submission; ``jobs``: what `look_up` found, None where SLURM was not asked."""
    try:
        record = submission.element(index)
    except UserError as error:
        return State(FAILED, note=str(error))
    attempts = record["attempts"]
    ids = [job for array in arrays if (job := array.job_of(index))]
    known = {job: jobs[job] for job in ids if job in (jobs or {})}
    last = attempts[-1]["job_id"] if attempts else next(reversed(known), ids[-1] if ids else "")
    log = log_of(submission, index, record)
    alive = sorted(((job, one) for job, one in known.items() if not one.over), key=lambda pair: pair[1].state in _WAITING)
    if record["state"] == FINISHED:
        return State(FINISHED, last, len(attempts), log=log)
    if alive:
        job, one = alive[0]
        if one.state not in _WAITING:
            return State(RUNNING, job, len(attempts), log=log)
        return State(REQUEUED if attempts else QUEUED, job, len(attempts), one.reason, one.start, log)
    if jobs is None and record["state"] != FAILED:  # nobody to ask
        return State(record["state"] or QUEUED, last, len(attempts), "as its driver left it; SLURM was not asked", log=log)
    name, note = _ended(record, known.get(last), log, bool(ids))
    return State(name, last, len(attempts), note, log=log)


def _ended(record: dict[str, Any], job: Job | None, log: Path | None, queued: bool) -> tuple[str, str]:
    """Name and note of an element that neither runs nor waits and has not finished."""
    last = record["attempts"][-1] if record["attempts"] else {}
    said = job.state if job else ""
    if said.startswith("CANCELLED"):
        return CANCELLED, f"cancelled{said.removeprefix('CANCELLED')}; status.retry queues it again"
    if record["state"] == FAILED and last.get("cause"):
        return FAILED, last["cause"]
    if not queued:
        return STOPPED, "never queued: sbatch was refused or did not come to it; status.retry queues it"
    if job is None and not last:
        return STOPPED, "SLURM does not know its job any more and it never started; status.retry queues it again"
    if job is None and record["state"] != FAILED:
        return STOPPED, "SLURM does not know its job any more; status.retry queues it again"
    code = last.get("exit") if last.get("exit") is not None else job.exit if job else None
    return FAILED, cause(read_tail(log) if log else "", code, said)


def log_of(submission: Submission, index: int, record: dict[str, Any]) -> Path | None:
    """Log of the last attempt: of the rank that died first, else of rank 0, else of the batch script; None where there is none."""
    if not record["attempts"]:
        return None
    last = record["attempts"][-1]
    rank = submission.log_file(index, last["job_id"], last["number"], str(last["first_dead_rank"] or 0))
    batch = submission.folder / "logs" / f"{last['job_id']}.batch.log"
    return next((file for file in (rank, batch) if file.is_file()), None)
