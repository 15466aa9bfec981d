"""One way to submit: points frozen, code copied, one array for each distinct resource request, and the prompt is
back."""

import dataclasses
import os
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import UserError
from common.files import atomic_file, nothing_left
from slurm.commands import SlurmError, Unreachable, run, sbatch
from slurm.ownership import OTHERS
from slurm.script import batch_script
from slurm.site import read_site
from slurm.snapshot import drop_snapshot, snapshot_of, take_snapshot
from slurm.submission import FOLDER, Array, Asked, Point, Submission, freeze, submissions
from slurm.unanswered import arrays_of, find, settled

PATIENCE = 20.0
"""Seconds for which a job is looked for of which sbatch did not say the id."""


@dataclass
class Receipt:
    """What was queued. It is not a result: those come with cluster.wait=true, or from the run folders later."""

    submissions: list[Submission] = field(default_factory=list)

    @property
    def job_ids(self) -> list[str]:
        """Ids of the arrays."""
        return [array.job_id for submission in self.submissions for array in submission.arrays]

    @property
    def homes(self) -> list[str]:
        """Folders of the results, in the order of the points."""
        return [point["home"] for submission in self.submissions for point in submission.points]

    def last_jobs(self) -> list[str]:
        """Ids of the arrays whose end is the end of everything: of a chain the last ones."""
        return [array.job_id for submission in self.submissions for array in _ends(submission)]


def submit(job: str, points: Sequence[Point], dependency: str = "", after: Sequence[str] = ()) -> Receipt:
    """Queue ``python -m jobs.<job>`` for every point. ``dependency`` as sbatch takes it, ``after``: names of
    submissions it waits for.

    Everything is on disk before sbatch is called, so that an array task finds it whatever happens to this process.
    Raises SlurmError with SLURM's own words where it refuses; nothing is queued then, unless an array of the same call
    was queued before, which is cancelled."""
    runs_dir = Path(points[0].config.runs_dir)
    former = {*(runs_dir / "snapshots").glob("*")}
    with nothing_left(runs_dir / "snapshots"), nothing_left(runs_dir / FOLDER):
        receipt = prepare(job, points, after)
        try:
            for submission in receipt.submissions:
                queue(submission, dependency)
        except SlurmError as error:
            if receipt.job_ids:
                run(["scancel", *receipt.job_ids])
            if not isinstance(error, Unreachable):  # else it may have been queued all the same
                _withdraw(receipt, former)
            raise
    return receipt


def _withdraw(receipt: Receipt, former: set[Path]) -> None:
    """Remove what was written to be queued, the snapshot too where it is not among the ``former`` ones and no other
    submission has it."""
    for submission in receipt.submissions:
        submission.remove()
    snapshot = receipt.submissions[0].snapshot
    runs_dir = receipt.submissions[0].folder.parents[1]
    new = snapshot.parent == runs_dir / "snapshots" and snapshot.name not in {path.name for path in former}
    if new and all(one.snapshot != snapshot for one in submissions(runs_dir)):
        drop_snapshot(snapshot)


def prepare(
    job: str, points: Sequence[Point], after: Sequence[str] = (), origin: Mapping[str, str] | None = None
) -> Receipt:
    """Freeze ``points`` in one submission folder for each distinct resource request, without queueing anything;
    ``origin``: the `origin_of` another process, whose code and working folder they get instead of this one's."""
    requests: dict[str, list[Point]] = {}
    for point in points:
        requests.setdefault(repr(dataclasses.asdict(point.config.cluster)), []).append(point)
    origin = origin or origin_of(points[0].config.runs_dir)
    return Receipt([freeze(job, group, after=after, **origin) for group in requests.values()])


def origin_of(runs_dir: str | Path, taken: bool = True) -> dict[str, str]:
    """Code snapshot, interpreter and working folder that what this process submits runs with; not ``taken``: where it
    would be."""
    snapshot = take_snapshot(runs_dir) if taken else snapshot_of(runs_dir)
    return {"snapshot": str(snapshot), "python": sys.executable, "workdir": str(Path.cwd())}


def queue(submission: Submission, dependency: str = "", array_tasks: Sequence[int] | None = None) -> list[Array]:
    """Submit a submission's array tasks (all, or those given) as arrays of at most `MaxArraySize` each; with
    requeue=chain several times.

    Returns all its arrays, which are recorded too."""
    cluster, arrays = submission.cluster, settled(submission)
    if cluster.requeue == "chain" and cluster.chain < 1:
        raise UserError(f"cluster.chain={cluster.chain} submits nothing; give 1 or more")
    limit = max_array_size()
    for first in range(0, len(submission.points), limit):
        count = min(limit, len(submission.points) - first)
        tasks = (
            ""
            if array_tasks is None
            else ",".join(str(array_task - first) for array_task in array_tasks if first <= array_task < first + count)
        )
        if array_tasks is not None and not tasks:
            continue
        waits = dependency
        for _ in range(cluster.chain if cluster.requeue == "chain" else 1):
            file = submission.folder / "script.sbatch"
            with atomic_file(file, "w", encoding="utf-8") as stream:
                os.fchmod(stream.fileno(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & ~OTHERS)
                stream.write(batch_script(submission, first, count, waits, tasks))
            arrays.append(_call(submission, arrays, file, first, count))
            submission.queued(arrays)
            waits = f"afterany:{arrays[-1].job_id}"
    return arrays


def _call(submission: Submission, arrays: Sequence[Array], script: Path, first: int, count: int) -> Array:
    """Call sbatch; the array that it made. It is looked for by its name where sbatch fails or says no id, since SLURM
    may have taken it all the same; the record tells of the call before it is made, so that others look too if this
    process does not come to it."""
    submission.queued(arrays, Asked(first, count, time.time()))
    try:
        return Array(sbatch(str(script)), first, count)
    except SlurmError as error:
        unsure = isinstance(error, Unreachable)
        if found := find(submission, PATIENCE if unsure else 0):
            return found
        if unsure:
            raise Unreachable(
                f"{error}; {submission.folder} may have been queued, so the same command looks for it first"
            ) from error
        submission.queued(arrays)
        raise


def resubmit(folder: Path, indices: Sequence[int]) -> Receipt:
    """Queue some array tasks of a submission again, with its frozen points and its code. Raises UserError where those
    are not this user's."""
    submission = Submission.read(folder)
    refuse_foreign(submission)
    if len(arrays := arrays_of(submission)) > len(submission.arrays):  # it was taken after all
        submission.queued(arrays)
        raise UserError(
            f"{folder} was queued as job {arrays[-1].job_id} though sbatch did not say so; look at jobs.status again"
        )
    queue(submission, array_tasks=sorted(indices))
    return Receipt([submission])


def refuse_foreign(submission: Submission) -> None:
    """Raise UserError where a submission, or the code that it runs, is not this user's own alone: it would run with
    this user's rights."""
    if why := submission.foreign():
        raise UserError(f"{why}, so {submission.folder} is not queued from here; give the job's own command instead")


def max_array_size() -> int:
    """How many array tasks an array may have here."""
    return max(1, read_site().number("MaxArraySize"))  # indices go to one less


def _ends(submission: Submission) -> list[Array]:
    """Of arrays over the same array tasks the last."""
    return list({array.first: array for array in submission.arrays}.values())
