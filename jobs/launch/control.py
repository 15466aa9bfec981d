"""What `jobs.status` does to submitted array tasks: cancel them, queue again those that failed."""

import os
import re
from pathlib import Path

from common.errors import UserError
from common.screen import Screen
from conf.schema import Config
from jobs.registry import is_training
from jobs.views.rows import UNHAPPY
from slurm.commands import run
from slurm.goodput import goodput
from slurm.states import Seen, survey
from slurm.submission import FOLDER, Submission
from slurm.submit import Receipt, refuse_foreign, resubmit

JOB = re.compile(r"\d+(_\d+)?")
console = Screen(soft_wrap=True)


def cancel(config: Config, target: str) -> list[str]:
    """Cancel the array tasks of ``target`` (job id, result folder, or submission) that wait or run; returns their job
    ids.

    A run that saves when it is asked to stop does so. Raises UserError where nothing of it waits or runs."""
    chosen = [array_task for array_task in find(config, target) if array_task.alive]
    jobs = [job for array_task in chosen for job in array_task.alive]
    if not jobs:
        raise UserError(f"status.cancel={target}: nothing of it is queued or runs")
    _list(chosen, "would be cancelled" if config.dry_run else "cancelled")
    if not config.dry_run:
        run(["scancel", *jobs])
    return jobs


def retry(config: Config, target: str) -> list[Receipt]:
    """Queue again what failed, was cancelled or never finished of ``target`` (result folder or submission), from its
    frozen points.

    Raises UserError where there is nothing of the kind."""
    chosen = [array_task for array_task in find(config, target) if array_task.state.name in UNHAPPY]
    if not chosen:
        raise UserError(f"status.retry={target}: all of it has finished, is queued or runs")
    folders: dict[Path, list[int]] = {}
    for array_task in chosen:
        folders.setdefault(array_task.submission.folder, []).append(array_task.index)
    for folder in folders:
        refuse_foreign(Submission.read(folder))
    _list(chosen, "would be queued again" if config.dry_run else "queued again")
    if config.dry_run:
        return []
    receipts = [resubmit(folder, indices) for folder, indices in folders.items()]
    console.print(f"as job {', '.join(receipt.job_ids[-1] for receipt in receipts)}")
    return receipts


def show_goodput(config: Config, target: str) -> None:
    """Print the goodput of every training that ``target`` names. Raises UserError where there is none or the accounting
    is away."""
    seen = find(config, target)
    chosen = [array_task for array_task in seen if is_training(array_task.submission.manifest["job"])]
    if not chosen:
        raise UserError(f"status.goodput={target}: no training that was submitted has that name")
    for array_task in chosen:
        console.print(f"{array_task.home}: {goodput(array_task.submission, array_task.index).describe()}")


def find(config: Config, target: str) -> list[Seen]:
    """Array tasks that ``target`` names: a job id (12, 12_3), the folder of a result, a submission (its folder or
    name).

    Raises UserError where nothing that was submitted from `runs_dir` has that name, or SLURM does not answer."""
    seen, note = survey(config.runs_dir)
    if note:
        raise UserError(note.partition("; states")[0].partition(": states")[0])
    folder = os.path.abspath(target)
    found = [
        array_task for array_task in seen if folder in (array_task.home, os.path.abspath(array_task.submission.folder))
    ]
    found = found or [array_task for array_task in seen if array_task.submission.folder.name == target]
    if JOB.fullmatch(target):
        found = [
            array_task
            for array_task in seen
            if target in {*array_task.alive, *(job.partition("_")[0] for job in array_task.alive)}
        ]
    if found:
        return found
    if os.path.isdir(folder):
        raise UserError(f"{target} was not submitted from {config.runs_dir}; stop or start it where it was started")
    raise UserError(
        f"{target} is no job that waits or runs, no result and no submission of {config.runs_dir}; name a job id, a"
        f" folder, or one of {Path(config.runs_dir) / FOLDER}"
    )


def _list(array_tasks: list[Seen], what: str) -> None:
    for array_task in array_tasks:
        job = " ".join(array_task.alive) or array_task.state.job_id or "-"
        console.print(
            f"{what}: {job}  {array_task.state.name}  {array_task.home} "
            f" {array_task.submission.points[array_task.index]['label']}".rstrip()
        )
