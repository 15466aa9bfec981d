"""What `jobs.status` does to submitted elements: cancel them, queue again those that failed."""

import os
import re
from pathlib import Path

from common.errors import UserError
from common.screen import Screen
from conf.schema import Config
from jobs.views.rows import UNHAPPY
from slurm.commands import run
from slurm.goodput import goodput
from slurm.states import Seen, survey
from slurm.submission import FOLDER, Submission
from slurm.submit import Receipt, refuse_foreign, resubmit

JOB = re.compile(r"\d+(_\d+)?")
console = Screen(soft_wrap=True)


def cancel(config: Config, target: str) -> list[str]:
    """Cancel the elements of ``target`` (job id, result folder, or submission) that wait or run; returns their job ids.

    A run that saves when it is asked to stop does so. Raises UserError where nothing of it waits or runs."""
    chosen = [element for element in find(config, target) if element.alive]
    jobs = [job for element in chosen for job in element.alive]
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
    chosen = [element for element in find(config, target) if element.state.name in UNHAPPY]
    if not chosen:
        raise UserError(f"status.retry={target}: all of it has finished, is queued or runs")
    folders: dict[Path, list[int]] = {}
    for element in chosen:
        folders.setdefault(element.submission.folder, []).append(element.index)
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
    chosen = [element for element in find(config, target) if element.submission.manifest["job"] == "train"]
    if not chosen:
        raise UserError(f"status.goodput={target}: no training that was submitted has that name")
    for element in chosen:
        console.print(f"{element.home}: {goodput(element.submission, element.index).describe()}")


def find(config: Config, target: str) -> list[Seen]:
    """Elements that ``target`` names: a job id (12, 12_3), the folder of a result, a submission (its folder or name).

    Raises UserError where nothing that was submitted from `runs_dir` has that name, or SLURM does not answer."""
    seen, note = survey(config.runs_dir)
    if note:
        raise UserError(note.partition("; states")[0].partition(": states")[0])
    folder = os.path.abspath(target)
    found = [element for element in seen if folder in (element.home, os.path.abspath(element.submission.folder))]
    found = found or [element for element in seen if element.submission.folder.name == target]
    if JOB.fullmatch(target):
        found = [
            element for element in seen if target in {*element.alive, *(job.partition("_")[0] for job in element.alive)}
        ]
    if found:
        return found
    if os.path.isdir(folder):
        raise UserError(f"{target} was not submitted from {config.runs_dir}; stop or start it where it was started")
    raise UserError(
        f"{target} is no job that waits or runs, no result and no submission of {config.runs_dir}; name a job id, a"
        f" folder, or one of {Path(config.runs_dir) / FOLDER}"
    )


def _list(elements: list[Seen], what: str) -> None:
    for element in elements:
        job = " ".join(element.alive) or element.state.job_id or "-"
        console.print(
            f"{what}: {job}  {element.state.name}  {element.home}  {element.submission.points[element.index]['label']}".rstrip()
        )
