"""``python -m slurm.driver SUBMISSION FIRST``: the batch script of one array task. Starts its ranks, and decides what
comes after them.

Ranks that end by themselves say how through rank 0: finished, or stopped with everything saved. Then, and after a
crash, the array task is queued again, as long as attempts get something done, and so it is where the time limit comes
before everything is saved. What SLURM itself takes away (a preemption, a lost node) SLURM queues again."""

import os
import sys

from common.errors import UserError
from common.fence import EXIT_SUPERSEDED
from common.files import make_folder, read_json
from common.stop import EXIT_CONTINUE
from common.tail import read_tail
from slurm.array_task import LOST, TIMED_OUT, ArrayTask
from slurm.causes import cause
from slurm.commands import SlurmError, details, run
from slurm.preflight import preflight
from slurm.requeue import TAKEN, TIME_LIMIT, fate_or_ours, requeue
from slurm.step import outlive_signals, run_ranks
from slurm.submission import FAILED, FINISHED, REQUEUED, SUPERSEDED, Submission

USER_ERROR = 2


def main(arguments: list[str]) -> int:
    """Run one attempt of an array task; the exit status of its batch script."""
    submission = Submission.read(arguments[0])
    index = int(arguments[1]) + int(os.environ.get("SLURM_ARRAY_TASK_ID", 0))
    array_task = ArrayTask(submission, index)
    if array_task.record["state"] == FINISHED:
        print(f"array task {index} has finished already")
        return 0
    outlive_signals()
    if array_task.is_requeued() and array_task.is_removed():
        return give_up(array_task, code=USER_ERROR)
    make_folder(
        submission.points[index]["logs"]
    )  # before an attempt is on record: where it is gone after, the run was removed
    array_task.begin()
    bad = preflight(array_task) if submission.cluster.preflight else None
    if bad:
        return _exclude(array_task, bad)
    code, death = run_ranks(array_task, lambda: terminated(array_task))
    return conclude(array_task, code, death)


def conclude(array_task: ArrayTask, code: int, death: tuple[int, str] | None) -> int:
    """Record how an attempt ended, queue it again where that helps; the exit status of the batch script."""
    if array_task.overtaken():
        print("a later attempt has begun; this one leaves everything to it", flush=True)
        return 0
    if array_task.is_removed():
        return give_up(array_task, code or 1)
    file = array_task.outcome_file()
    status = read_json(file)["status"] if file.is_file() else "failed"
    if status == "finished":
        array_task.end(FINISHED, status=status, exit=code, cause=None)
        return 0
    if code == EXIT_SUPERSEDED:
        array_task.end(SUPERSEDED, status="superseded", exit=code)
        return 0
    if status != "failed":
        array_task.end(REQUEUED, status=status, exit=code, cause=None)
        return go_on(array_task, code)
    code = code or 1  # ranks that say nothing have not finished
    whose = fate_or_ours(array_task)
    if whose == TIME_LIMIT:
        return at_time_limit(array_task, code)
    if whose == TAKEN:
        array_task.end(REQUEUED, status=array_task.record["attempts"][-1]["status"] or LOST, exit=code)
        return code
    log, first = _first_log(array_task, death)
    why = cause(log, code)
    array_task.end(FAILED, status=status, exit=code, cause=why, first_dead_rank=first)
    _show(array_task, first, death, log, why)
    return code if code == USER_ERROR else go_on(array_task, code)  # the same input fails again


def at_time_limit(array_task: ArrayTask, code: int | None = None) -> int:
    """SLURM ends this attempt for its time limit before all is saved: it counts, as one that may have got something
    done or not."""
    why = "the time limit came before the ranks had saved; the next attempt asks them earlier"
    array_task.note(status=TIMED_OUT, exit=code, cause=why)
    return go_on(array_task, code or EXIT_CONTINUE, hurry=True)


def give_up(array_task: ArrayTask, code: int) -> int:
    """End for good where somebody has removed the run: nothing is written there, and nothing starts from its beginning
    unasked."""
    why = f"{array_task.home} was removed while its job ran or waited; the same command starts it afresh"
    array_task.end(FAILED, status="failed", exit=code, cause=why)
    print(f"error: {why}", file=sys.stderr, flush=True)
    return code


def go_on(array_task: ArrayTask, code: int, hurry: bool = False) -> int:
    """Queue the array task again, unless attempts in a row got nothing done; the exit status of the batch script."""
    if array_task.hopeless():
        why = array_task.record["attempts"][-1]["cause"]
        array_task.end(
            FAILED,
            cause=why or "attempts end before they get anything done; give cluster.time more room, or look at the log",
        )
        print(
            f"given up after {array_task.number} attempts; mend the cause, then the same command goes on from the last"
            " checkpoint",
            flush=True,
        )
        return code or 1
    return requeue(array_task, code, hurry)


def terminated(array_task: ArrayTask) -> None:
    """SIGTERM, with KillWait seconds to go: where the time limit is behind it, SLURM requeues the job if it is asked
    now."""
    if fate_or_ours(array_task) == TIME_LIMIT:
        at_time_limit(array_task)


def _first_log(array_task: ArrayTask, death: tuple[int, str] | None) -> tuple[str, int]:
    """End of the log of the rank that died first, and its number (rank 0 where nothing is known)."""
    rank = death[0] if death else 0
    file = array_task.submission.log_file(array_task.index, array_task.job, array_task.number, str(rank))
    text = read_tail(file)
    return text + (f"\n{death[1]}" if death else ""), rank


def _show(array_task: ArrayTask, rank: int, death: tuple[int, str] | None, log: str, why: str) -> None:
    """The log of the rank that died first, before all others."""
    print(f"rank {rank} ended first{f' ({death[1]})' if death else ''}; the end of its log:")
    print("\n".join(f"  | {line}" for line in log.splitlines()[-25:]))
    print(f"cause: {why}", flush=True)


def _exclude(array_task: ArrayTask, bad: dict[str, str]) -> int:
    """Requeue without the nodes that failed the preflight."""
    names = ",".join(bad)
    why = "; ".join(f"{node}: {reason}" for node, reason in bad.items())
    print(f"the preflight failed on {why}", flush=True)
    array_task.end(FAILED, status="failed", exit=1, cause=f"preflight: {why}")
    code = 1 if array_task.hopeless() else requeue(array_task, 1)
    if array_task.record["state"] == REQUEUED and array_task.submission.cluster.requeue == "requeue":
        try:
            former = details(array_task.job).get("ExcNodeList", "(null)").replace("(null)", "")
            run(
                [
                    "scontrol",
                    "update",
                    f"JobId={array_task.job}",
                    "ExcNodeList=" + ",".join(filter(None, [former, names])),
                ]
            )
        except SlurmError as error:
            print(f"{error}; the next attempt may come to the same nodes", flush=True)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except OSError as error:  # an attempt that cannot be recorded is not repeated: nobody would count
        print(
            f"error: cannot record this attempt ({error}); make room or mend the disk, then give the same command"
            " again",
            file=sys.stderr,
        )
        sys.exit(1)
