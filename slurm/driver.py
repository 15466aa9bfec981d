"""``python -m slurm.driver SUBMISSION FIRST``: the batch script of one element. Starts its ranks, and decides what comes after them.

Ranks that end by themselves say how through rank 0: finished, or stopped with everything saved. Then, and after a crash, the element
is queued again, as long as attempts get something done. What SLURM itself takes away (a preemption, a lost node) SLURM queues again.
"""

import os
import re
import shlex
import signal
import subprocess
import sys

from common.errors import UserError
from common.fence import EXIT_SUPERSEDED
from common.files import make_folder, read_json
from common.stop import EXIT_CONTINUE
from common.tail import read_tail
from slurm.causes import cause
from slurm.commands import SlurmError, details, run
from slurm.element import LOST, Element
from slurm.preflight import preflight
from slurm.script import rank_command
from slurm.submission import FAILED, FINISHED, REQUEUED, SUPERSEDED, Submission

USER_ERROR = 2
_FIRST_DEATH = re.compile(r"srun: error: \S+: tasks? (\d+)\S*: (.+)")


def main(arguments: list[str]) -> int:
    """Run one attempt of an element; the exit status of its batch script."""
    submission = Submission.read(arguments[0])
    index = int(arguments[1]) + int(os.environ.get("SLURM_ARRAY_TASK_ID", 0))
    element = Element(submission, index)
    if element.record["state"] == FINISHED:
        print(f"element {index} has finished already")
        return 0
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, _note)  # they are for the ranks; this process outlives them
    element.begin()
    bad = preflight(element) if submission.cluster.preflight else None
    if bad:
        return _exclude(element, bad)
    code, death = start_ranks(element)
    return conclude(element, code, death)


def start_ranks(element: Element) -> tuple[int, tuple[int, str] | None]:
    """Exit status of the rank that failed first, and which one that was and how it died, as srun told; 0 where none failed.

    srun itself ends with the highest status of all ranks, also of those that it has taken down."""
    submission = element.submission
    log = submission.log_file(element.index, element.job, element.number, "%t")
    make_folder(log.parent)
    environment = os.environ | rank_environment(submission) | {"TERZI_ATTEMPT": str(element.number)}
    command = rank_command(submission, "slurm.rank", [str(submission.folder), str(element.index)], log)
    print(
        f"attempt {element.number} of element {element.index} on {os.environ.get('SLURM_JOB_NODELIST')}: {shlex.join(command)}", flush=True
    )
    death = None
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace") as srun:
        for line in srun.stderr:
            sys.stderr.write(line)
            found = _FIRST_DEATH.match(line)
            if found and death is None:
                death = int(found[1]), found[2]
    return _status(death[1], srun.returncode) if death else srun.returncode, death


def _status(told: str, otherwise: int) -> int:
    """Exit status behind srun's words: "Exited with exit code 2", "Killed"."""
    if code := re.search(r"exit code (\d+)", told):
        return int(code[1])
    return next((128 + number for number in signal.valid_signals() if (signal.strsignal(number) or "?") in told), otherwise)


def rank_environment(submission: Submission) -> dict[str, str]:
    """Variables of the ranks beside those of the batch script."""
    cluster = submission.cluster
    found = {"SRUN_EXPORT_ENV": "ALL", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(cluster.cpus_per_task))}
    if cluster.offline:
        found |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    if cluster.scratch:
        found["TMPDIR"] = os.path.expandvars(cluster.scratch)
    return found | cluster.environment


def conclude(element: Element, code: int, death: tuple[int, str] | None) -> int:
    """Record how an attempt ended, queue it again where that helps; the exit status of the batch script."""
    if element.overtaken():
        print("a later attempt has begun; this one leaves everything to it", flush=True)
        return 0
    file = element.outcome_file()
    status = read_json(file)["status"] if file.is_file() else "failed"
    if status == "finished":
        element.end(FINISHED, status=status, exit=code)
        return 0
    if code == EXIT_SUPERSEDED:
        element.end(SUPERSEDED, status="superseded", exit=code)
        return 0
    why = None
    if status == "failed" and _taken_away(element):
        element.end(REQUEUED, status=LOST, exit=code)
        return code or 1
    if status == "failed":
        code = code or 1  # ranks that say nothing have not finished
        log, first = _first_log(element, death)
        why = cause(log, code)
        element.end(FAILED, status=status, exit=code, cause=why, first_dead_rank=first)
        _show(element, first, death, log, why)
    else:
        element.end(REQUEUED, status=status, exit=code)
    if code == USER_ERROR:
        return code  # the same input fails again
    if element.hopeless():
        element.end(FAILED, cause=why or "attempts end before they get anything done; give cluster.time more room, or look at the log")
        print(f"given up after {element.number} attempts; mend the cause, then the same command goes on from the last save", flush=True)
        return code or 1
    return requeue(element, code)


def requeue(element: Element, code: int) -> int:
    """Have SLURM run this element again, unless it is about to anyway or somebody cancelled it; the exit status of the batch script."""
    how = element.submission.cluster.requeue
    if how == "chain":
        element.write(REQUEUED)
        return code or EXIT_CONTINUE  # the next array takes over
    if how == "never":
        why = element.record["attempts"][-1]["cause"]
        element.end(FAILED, cause=why or "stopped, with everything saved, and cluster.requeue=never; the same command goes on")
        return code or EXIT_CONTINUE
    if _taken_away(element):
        return code or EXIT_CONTINUE
    try:
        element.write(REQUEUED)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # SLURM now ends this job's processes; scontrol inherits this and can finish
        run(["scontrol", "requeue", element.job])
    except SlurmError as error:
        element.end(FAILED, cause=f"could not be requeued ({error}); set cluster.requeue=chain, or give the same command again")
        print(f"error: {error}", file=sys.stderr, flush=True)
    return code or EXIT_CONTINUE


def _taken_away(element: Element) -> bool:
    """Whether SLURM has ended this attempt, by a cancellation, a preemption or for a lost node: then what follows is SLURM's to decide."""
    try:
        known = details(element.job)
    except SlurmError as error:
        print(f"{error}; taken for running", flush=True)
        return False
    if known.get("JobState", "RUNNING") == "RUNNING" and int(known.get("Restarts", element.restart)) == element.restart:
        return False
    print(f"SLURM has {known['JobState']} for this job by now; what comes next is up to it", flush=True)
    return True


def _first_log(element: Element, death: tuple[int, str] | None) -> tuple[str, int]:
    """End of the log of the rank that died first, and its number (rank 0 where nothing is known)."""
    rank = death[0] if death else 0
    file = element.submission.log_file(element.index, element.job, element.number, str(rank))
    text = read_tail(file)
    return text + (f"\n{death[1]}" if death else ""), rank


def _show(element: Element, rank: int, death: tuple[int, str] | None, log: str, why: str) -> None:
    """The log of the rank that died first, before all others."""
    print(f"rank {rank} ended first{f' ({death[1]})' if death else ''}; the end of its log:")
    print("\n".join(f"  | {line}" for line in log.splitlines()[-25:]))
    print(f"cause: {why}", flush=True)


def _exclude(element: Element, bad: dict[str, str]) -> int:
    """Requeue without the nodes that failed the preflight."""
    names = ",".join(bad)
    why = "; ".join(f"{node}: {reason}" for node, reason in bad.items())
    print(f"the preflight failed on {why}", flush=True)
    element.end(FAILED, status="failed", exit=1, cause=f"preflight: {why}")
    code = 1 if element.hopeless() else requeue(element, 1)
    if element.record["state"] == REQUEUED:
        former = details(element.job).get("ExcNodeList", "(null)").replace("(null)", "")
        run(["scontrol", "update", f"JobId={element.job}", "ExcNodeList=" + ",".join(filter(None, [former, names]))])
    return code


def _note(number: int, frame: object) -> None:
    print(f"{signal.Signals(number).name}: waiting for the ranks", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except OSError as error:  # an attempt that cannot be recorded is not repeated: nobody would count
        print(f"error: cannot record this attempt ({error}); make room or mend the disk, then give the same command again", file=sys.stderr)
        sys.exit(1)
