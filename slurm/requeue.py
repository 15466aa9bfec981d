"""Whose turn it is after an attempt, SLURM's or ours, and `scontrol requeue`, patiently."""

import signal
import sys
import time

from common.stop import EXIT_CONTINUE
from slurm.commands import SlurmError, Unreachable, details, run
from slurm.element import Element
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


def fate(element: Element) -> str:
    """`OURS`, `TIME_LIMIT` or `TAKEN`. Raises SlurmError where nobody answers."""
    known = details(element.job)
    state = known.get("JobState", "RUNNING")
    if int(known.get("Restarts", element.restart)) == element.restart:
        if state in _ALIVE:
            return OURS
        if state in ("COMPLETING", "TIMEOUT") and known.get("Reason") == "TimeLimit":
            return TIME_LIMIT
    print(f"SLURM has {state} for this job by now; what comes next is up to it", flush=True)
    return TAKEN


def fate_or_ours(element: Element) -> str:
    """`fate`; `OURS` where nobody answers."""
    try:
        return fate(element)
    except SlurmError as error:
        print(f"{error}; taken for running", flush=True)
        return OURS


def requeue(element: Element, code: int, hurry: bool = False) -> int:
    """Have SLURM run this element again, unless it is about to anyway or somebody cancelled it; the exit status of the
    batch script.

    ``hurry``: SIGKILL is near, so SLURM is asked before the record is written, which may take long on a disk that a
    save waits for."""
    how = element.submission.cluster.requeue
    code = code or EXIT_CONTINUE
    if how == "chain":
        element.write(REQUEUED)  # the next array takes over
    elif how == "never":
        why = element.record["attempts"][-1]["cause"]
        element.end(
            FAILED, cause=why or "stopped, with everything saved, and cluster.requeue=never; the same command goes on"
        )
    else:
        if not hurry:
            element.write(REQUEUED)
        signal.signal(
            signal.SIGTERM, signal.SIG_IGN
        )  # SLURM now ends this job's processes; scontrol inherits this and can finish
        if error := _ask(element):
            element.end(
                FAILED,
                cause=f"could not be requeued ({error}); set cluster.requeue=chain, or give the same command again",
            )
            print(f"error: {error}", file=sys.stderr, flush=True)
        elif hurry:
            element.write(REQUEUED)
    return code


def _ask(element: Element) -> SlurmError | None:
    """Ask SLURM for a requeue until it takes it, or it has taken the job away; the last refusal where neither comes.

    A preemption may come between our question and our request, which is then refused ("pending execution", "already
    completing")."""
    begun, refused, wait = time.monotonic(), 0.0, 0.5
    while True:
        try:
            if fate(element) != TAKEN:
                run(["scontrol", "requeue", element.job])
            return None
        except SlurmError as error:
            now = time.monotonic()
            refused = (refused or now) if not isinstance(error, Unreachable) else 0.0
            if now - begun > PATIENCE or (refused and now - refused > REFUSED_FOR):
                return error
            print(f"{error}; asked again in {wait:g} s", flush=True)
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)
