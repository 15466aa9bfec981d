"""Probes of one run as several processes see them: who is at work on a checkpoint, and which orders failed or are done
otherwise."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from common.claim import Claim
from common.environment import array_task_id
from common.files import write_json
from common.layout import checkpoint_name
from model.evaluation.interface.store import failure_file, record_file
from model.training.checkpoints.checkpoints import list_checkpoints
from slurm import outbox
from slurm.queue import runs
from slurm.submission import FAILED

FINISH = "finish"
"""Name of the order for the sweep that chooses and reports."""


def claims() -> Callable[[Path], Claim]:
    """Makes claims that know the jobs of this cluster."""
    return partial(Claim, job=array_task_id(), alive=runs)


def note_failures(run: Path) -> None:
    """Write down, beside the results, why probes were given up."""
    for order in outbox.records(run).values():
        step = order["config"]["sweep"]["step"]
        if step is None or record_file(run, step).is_file():
            continue
        state, cause = outbox.state(order)
        if state == FAILED:
            job = (outbox.jobs_of(order) or [""])[-1]
            write_json(
                failure_file(run, step), {"step": step, "cause": cause, "job": job, "submission": order["submission"]}
            )


def withdraw_done(run: Path) -> None:
    """Withdraw the orders that a whole sweep of ``run`` has just done itself."""
    for checkpoint in list_checkpoints(run):
        if record_file(run, checkpoint.step).is_file():
            outbox.withdraw(run, checkpoint_name(checkpoint.step))
    outbox.withdraw(run, FINISH)
