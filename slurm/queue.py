"""What SLURM says of the elements of arrays: squeue, and sacct for those that squeue has forgotten."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from slurm.commands import SlurmError, run

ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "REVOKED"}
OVER = ENDED | {"PREEMPTED"}
"""States in which a job that squeue still shows is over. One that SLURM runs again after a preemption is shown as pending."""
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
"""States in which a job has not started, or not again."""


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


def look_up(element_ids: Iterable[str]) -> dict[str, Job]:
    """What SLURM knows of elements (``12_3``): from squeue, else from the accounting where the site keeps one.

    Raises SlurmError where the controller does not answer."""
    wanted, found = set(element_ids), _queue()
    ended = {element for element in wanted if element not in found or found[element].over}  # of these sacct knows the exit status
    told = _accounting(sorted({element.partition("_")[0] for element in ended}, key=int)) if ended else {}
    found |= {job: known for job, known in told.items() if known.over and (job not in found or found[job].over)}  # sacct lags
    whole = {element: found.get(element) or found.get(element.partition("_")[0]) for element in wanted}
    return {element: job for element, job in whole.items() if job}


def living(job_ids: Iterable[str]) -> dict[str, str]:
    """State by id of those elements that wait or run; ``job_ids`` are elements or whole arrays. Raises SlurmError."""
    wanted = set(job_ids)
    known = _queue().items() if wanted else ()
    return {element: job.state for element, job in known if not job.over and {element, element.partition("_")[0]} & wanted}


def _queue() -> dict[str, Job]:
    """What squeue knows of your jobs, by element."""
    rows = run(["squeue", "--me", "--array", "--noheader", "--states=all", "--format=%i|%T|%r|%S"], env=_whole()).splitlines()
    return {
        element: Job(state, reason, "" if start == "N/A" else start)
        for job, state, reason, start in (row.split("|") for row in rows)
        for element in elements_of(job)
    }


def elements_of(job: str) -> list[str]:
    """``12_[0-2,5%4]``, as SLURM writes elements that ended before they began, one by one; any other id as it is.

    A bare ``12`` stands for all that are not named otherwise."""
    array, bracket, tasks = job.partition("_[")
    if not bracket:
        return [job]
    found = []
    for part in tasks.rstrip("]").partition("%")[0].split(","):
        first, _, last = part.partition("-")
        found += [f"{array}_{task}" for task in range(int(first), int(last or first) + 1)]
    return found


def _accounting(array_ids: list[str]) -> dict[str, Job]:
    """The last incarnation of each element as sacct has it; nothing where the site keeps no accounting."""
    try:
        rows = run(
            ["sacct", "-X", "--noheader", "--parsable2", "--format=JobID,State,ExitCode", f"--jobs={','.join(array_ids)}"], env=_whole()
        )
    except SlurmError:
        return {}
    found = {}
    for row in rows.splitlines():
        job, state, ended = row.split("|")
        code, _, number = ended.partition(":")
        known = Job(state, exit=128 + int(number) if int(number or 0) else int(code or 0))
        found |= dict.fromkeys(elements_of(job), known)
    return found


def _whole() -> dict[str, str]:
    """The environment in which SLURM does not cut long lists of elements short."""
    return os.environ | {"SLURM_BITSTR_LEN": "0"}
