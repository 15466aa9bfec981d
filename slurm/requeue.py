"""Whose turn it is after an attempt, SLURM's or ours, and `scontrol requeue`, patiently."""

import signal
import sys
import time

from common.stop import EXIT_CONTINUE
from slurm.array_task import ArrayTask
from slurm.commands import SlurmError, Unreachable, details, run
from slurm.submission import FAILED, REQUEUED

OURS, TIME_LIMIT, TAKEN = "ours", "time limit", "taken"
"""What SLURM says of an attempt: that it runs; that it has reached the time limit, so that SLURM ends it and does not
requeue it, but takes a requeue from us; that SLURM has taken it away (cancelled, preempted, requeued, its node lost)
and decides what comes next."""
_ALIVE = {"RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING"}
PATIENCE, REFUSED_FOR = 900.0, 30.0
"""Seconds for which a requeue is tried again where the controller is away, and where it refuses: what it refuses may be
in passing."""
LONGEST_WAIT = 5.0


def fate(array_task: ArrayTask) -> str:
    """`OURS`, `TIME_LIMIT` or `TAKEN`. Raises SlurmError where nobody answers."""
    known = details(array_task.job)
    state = known.get("JobState", "RUNNING")
    if int(known.get("Restarts", array_task.restart)) == array_task.restart:
        if state in _ALIVE:
            return OURS
        if state in ("COMPLETING", "TIMEOUT") and known.get("Reason") == "TimeLimit":
            return TIME_LIMIT
    print(f"SLURM has {state} for this job by now; what comes next is up to it", flush=True)
    return TAKEN


def fate_or_ours(array_task: ArrayTask) -> str:
    """`fate`; `OURS` where nobody answers."""
    try:
        return fate(array_task)
    except SlurmError as error:
        print(f"{error}; taken for running", flush=True)
        return OURS


def requeue(array_task: ArrayTask, code: int, hurry: bool = False) -> int:
    """Have SLURM run this array task again, unless it is about to anyway or somebody cancelled it; the exit status of
    the batch script.

    ``hurry``: SIGKILL is near, so SLURM is asked before the record is written, which may take long on a disk that a
    checkpoint waits for."""
    how = array_task.submission.cluster.requeue
    code = code or EXIT_CONTINUE
    if how == "chain":
        array_task.write(REQUEUED)  # the next array takes over
    elif how == "never":
        why = array_task.record["attempts"][-1]["cause"]
        array_task.end(
            FAILED, cause=why or "stopped, with everything saved, and cluster.requeue=never; the same command goes on"
        )
    else:
        if not hurry:
            array_task.write(REQUEUED)
        signal.signal(
            signal.SIGTERM, signal.SIG_IGN
        )  # SLURM now ends this job's processes; scontrol inherits this and can finish
        if error := _ask(array_task):
            array_task.end(
                FAILED,
                cause=f"could not be requeued ({error}); set cluster.requeue=chain, or give the same command again",
            )
            print(f"error: {error}", file=sys.stderr, flush=True)
        elif hurry:
            array_task.write(REQUEUED)
    return code


def _ask(array_task: ArrayTask) -> SlurmError | None:
    """Ask SLURM for a requeue until it takes it, or it has taken the job away; the last refusal where neither comes.

    A preemption may come between our question and our request, which is then refused ("pending execution", "already
    completing")."""
    begun, refused, wait = time.monotonic(), 0.0, 0.5
    while True:
        try:
            if fate(array_task) != TAKEN:
                run(["scontrol", "requeue", array_task.job])
            return None
        except SlurmError as error:
            now = time.monotonic()
            refused = (refused or now) if not isinstance(error, Unreachable) else 0.0
            if now - begun > PATIENCE or (refused and now - refused > REFUSED_FOR):
                return error
            print(f"{error}; asked again in {wait:g} s", flush=True)
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)
