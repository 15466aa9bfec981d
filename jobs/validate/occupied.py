"""Who trains in a run folder, or is queued to: nobody's run is begun anew by another configuration."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from common import manifest as manifests
from common.claim import Holder, lives, this_process, told
from common.environment import array_task_id
from common.errors import UserError
from common.fence import Fence
from conf.schema import Config
from model.training.run.config import LAYOUT, changes, freeze, show
from model.training.run.folder import Run
from model.training.run.open_model import is_open
from slurm.commands import available
from slurm.queue import living, runs
from slurm.submission import Submission, submissions
from slurm.unanswered import settled


class Waiting(NamedTuple):
    """A point that waits or runs in the queue."""

    home: str
    job_id: str
    submission: Submission
    array_task: int


def waiting(job: str, runs_dir: str, homes: Iterable[str]) -> Iterator[Waiting]:
    """Points of ``job`` with one of these result folders that wait or run in the queue, whoever submitted them, but for
    the array task that this process is. Raises UserError where that cannot be told (yet)."""
    here = {str(Path(home).absolute()): home for home in homes}
    found = []
    for submission in submissions(runs_dir):
        mine = {row["index"]: home for row in submission.points if (home := str(Path(row["home"]).absolute())) in here}
        if mine and submission.manifest["job"] == job:
            arrays = settled(submission)
            found += [
                Waiting(here[home], job_id, submission, index)
                for index, home in mine.items()
                for array in arrays
                if (job_id := array.job_of(index))
            ]
    alive = living([one.job_id for one in found])
    yield from (one for one in found if one.job_id in alive and one.job_id != array_task_id())


def refuse_occupied(config: Config, run: Run) -> None:
    """Raise UserError where ``run`` would begin in a folder in which another configuration is trained, or queued to
    be."""
    mend = f"choose another run=<name>, or stop that and remove {run.folder}"
    for one in waiting("train", config.runs_dir, [config.run_dir]) if available() else ():
        if changed := _changed(one.submission.config(one.array_task), run):
            raise UserError(
                f"{run.folder} is queued or trained as job {one.job_id} with another configuration ({show(changed)});"
                f" {mend}"
            )
    if run.replaced and (holder := _at_work(run.folder)):
        who = f"{told(holder)}, as far as can be told from here"
        raise UserError(f"{run.folder} is trained with another configuration ({show(run.replaced)}) by {who}; {mend}")


def _changed(queued: Config, run: Run) -> dict[str, tuple[Any, Any]]:
    """In what ``run`` is another than a configuration in the queue; what that leaves open is closed when its turn
    comes, and the layout is free."""
    free = (
        *LAYOUT,
        *(["model."] if is_open(queued) else []),
        *(["parallel.precision"] if queued.parallel.precision == "auto" else []),
    )
    return {key: pair for key, pair in changes(freeze(queued), run.config).items() if not key.startswith(free)}


def _at_work(folder: Path) -> Holder | None:
    """The process that trains in ``folder``; None where the last one has ended. What cannot be known is believed."""
    holder = Fence(folder).holder()
    known = manifests.read(folder) if (folder / manifests.NAME).is_file() else {}
    last = known.get("attempts", [{}])[-1]
    me = this_process(array_task_id())
    ours = ("host", "pid", "born")
    if holder is None or [holder[key] for key in ours] == [me[key] for key in ours]:
        return None
    ended = known.get("status") != "running" and (last.get("host"), last.get("pid")) == (holder["host"], holder["pid"])
    return holder if not ended and lives(holder, me, runs) else None
