"""Waiting for what was queued, for cluster.wait=true."""

import time
from typing import Any

from common.errors import UserError
from common.files import read_json
from common.progress import Bar, say
from slurm.commands import Unreachable
from slurm.queue import living
from slurm.submission import FAILED, FINISHED, Submission
from slurm.submit import Receipt

EVERY = 2.0
LAG = 30.0
"""Seconds for which a job may be unknown to the queue without having ended: it lags, and a requeue passes through
nothing."""


def wait_for(receipt: Receipt) -> list[Any]:
    """What the jobs returned, in the order of the points, once every array task has ended.

    A requeue is no end. Raises UserError, when all have ended, naming the array tasks that failed and the cause of
    each."""
    array_tasks = [(submission, point["index"]) for submission in receipt.submissions for point in submission.points]
    open_, seen, ended = list(array_tasks), {array_task: time.monotonic() for array_task in range(len(array_tasks))}, 0
    with Bar("array tasks", len(array_tasks)) as bar:
        while open_:
            alive = _alive(receipt)
            for submission, index in list(open_):
                number = array_tasks.index((submission, index))
                if alive is None or any(job in alive for job in submission.jobs_of(index)):
                    seen[number] = time.monotonic()
                elif (
                    submission.array_task(index)["state"] in (FINISHED, FAILED) or time.monotonic() - seen[number] > LAG
                ):
                    open_.remove((submission, index))
                    ended += 1
                    bar.advance(1)
            if open_:
                time.sleep(EVERY)
    failed = [
        _failure(submission, index)
        for submission, index in array_tasks
        if submission.array_task(index)["state"] != FINISHED
    ]
    if failed:
        raise UserError(
            f"{len(failed)} of {len(array_tasks)} array tasks failed: {'; '.join(failed)}; jobs.status tells more"
        )
    return [read_json(submission.result_file(index))["value"] for submission, index in array_tasks]


def _alive(receipt: Receipt) -> dict[str, str] | None:
    try:
        return living(receipt.job_ids)
    except Unreachable as error:
        say(f"{error}; still waiting")
        return None


def _failure(submission: Submission, index: int) -> str:
    attempts = submission.array_task(index)["attempts"]
    why = attempts[-1]["cause"] if attempts else "it never started"
    return f"array task {index} ({submission.points[index]['home']}): {why or 'it was cancelled'}"
