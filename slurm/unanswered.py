"""Arrays whose sbatch did not say their id: found by the name of their submission, so that nothing is queued twice."""

import os
import time

from common.errors import UserError
from slurm.commands import Unreachable
from slurm.queue import arrays_named
from slurm.submission import Array, Submission

SUBMITTING = 120.0
"""Seconds from the call of sbatch after which a job that SLURM does not show will not come any more."""


def arrays_of(submission: Submission) -> list[Array]:
    """Arrays of a submission, with one that SLURM took without an answer. Raises SlurmError where it cannot be asked
    about that."""
    arrays, asked = submission.arrays, submission.asked
    if not asked:
        return arrays
    known = {array.job_id for array in arrays}
    found = arrays_named(submission.token, os.stat(submission.folder).st_uid, asked.time)
    return [*arrays, *(Array(job, asked.first, asked.count) for job in found if job not in known)]


def settled(submission: Submission) -> list[Array]:
    """`arrays_of`, once it is sure that no more will come of an earlier call of sbatch. Raises UserError where it is
    too early to say."""
    arrays = arrays_of(submission)
    if submission.asked and len(arrays) == len(submission.arrays) and is_young(submission):
        raise UserError(
            f"sbatch was called for {submission.folder} {time.time() - submission.asked.time:.0f} s ago and has not"
            " answered; the job may still be queued, so give the command again in two minutes"
        )
    return arrays


def is_young(submission: Submission) -> bool:
    """Whether sbatch was called so recently that its job may still appear."""
    return bool(submission.asked) and time.time() - submission.asked.time < SUBMITTING


def find(submission: Submission, patience: float) -> Array | None:
    """The array of the last call of sbatch, looked for during ``patience`` seconds and at least once; None where SLURM
    shows none."""
    end = time.monotonic() + patience
    while True:
        try:
            found = arrays_of(submission)[len(submission.arrays) :]
        except Unreachable:
            found = []
        if found or time.monotonic() > end:
            return found[-1] if found else None
        time.sleep(1)
