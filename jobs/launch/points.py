"""From composed configurations to queued arrays; what can be refused is, before anything is queued
(`jobs.validate`)."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.progress import console, say
from common.remove import remove_empty
from conf.schema import ClusterConfig, Config
from conf.schema.replace import with_value
from jobs.records.job import WorkStage
from jobs.registry import JOBS
from jobs.validate import disk
from jobs.validate.occupied import waiting
from jobs.validate.order import Planned, validate_queue
from slurm import allocation
from slurm.commands import available
from slurm.script import batch_script
from slurm.submission import FOLDER, Point, Submission
from slurm.submit import Receipt, origin_of, prepare, submit
from slurm.wait import wait_for


def launch(job: str, configs: Sequence[Config], labels: Sequence[str] = ()) -> Any:
    """Queue ``python -m jobs.<job>`` for every configuration and return the receipt; with cluster.wait=true, what the
    jobs returned.

    Raises UserError, with nothing queued, for whatever would fail on a node: a missing input, a partition that is not
    there, a full disk."""
    record = JOBS[job]
    configs = [record.close(config) for config in configs]
    points = [
        make_point(job, config, label) for config, label in zip(configs, [*labels] or [""] * len(configs), strict=True)
    ]
    here = allocation.inside()
    if here:
        points = _share(job, points)
    refuse_equal_homes(points)
    ask_site = not here and (available() or not configs[0].dry_run)
    validate_queue([Planned(record, [point.config for point in points])], ask_site)
    if here and not configs[0].dry_run:
        return allocation.run_here(job, points)
    if configs[0].dry_run:
        return show(job, points)
    already = is_queued(job, points)
    points = [point for point in points if point.home not in already]
    receipt = queue_job(job, points) if points else Receipt()
    if already:
        say("already queued, and left alone: " + ", ".join(f"{home} ({job_id})" for home, job_id in already.items()))
    if not receipt.submissions:
        return receipt
    tell(receipt)
    if not configs[0].cluster.wait:
        return receipt
    values = dict(zip(receipt.homes, wait_for(receipt), strict=True))
    return [values[point.home] for point in points]


def queue_job(job: str, points: Sequence[Point], dependency: str = "", after: Sequence[str] = ()) -> Receipt:
    """Queue one job for ``points``: each stage of its work as an array of array tasks, if it is cut into some, and
    itself after them."""
    queued: list[Submission] = []
    outer, former = dependency, list(after)
    for array_tasks in [*cut(job, points), points]:
        receipt = submit(job, array_tasks, dependency, after)
        # array tasks that are cancelled because what they waited for did not finish have ended, too: what is lenient to
        # them is not to that
        own = depends("afterany", receipt.last_jobs()) + (f",{outer}" if outer else "")
        dependency = own if JOBS[job].lenient else depends("afterok", receipt.last_jobs())
        after = [
            *(former if JOBS[job].lenient else []),
            *(submission.folder.name for submission in receipt.submissions),
        ]
        queued += receipt.submissions
    return Receipt(queued)


def cut(job: str, points: Sequence[Point]) -> list[list[Point]]:
    """The stages of the work of ``points``, each cut into array tasks; none where the job does it by itself."""
    stages = JOBS[job].stages
    if not stages:
        return []
    work = [
        [[_array_task(point, stage, number) for number in range(len(stage.tasks))] for stage in stages(point.config)]
        for point in points
    ]
    return [[array_task for part in parts for array_task in part] for parts in zip_longest(*work, fillvalue=[])]


def _array_task(point: Point, stage: WorkStage, number: int) -> Point:
    label = " ".join(filter(None, (point.label, stage.name, f"array task {number}")))
    return dataclasses.replace(point, config=stage.tasks[number], label=label)


def depends(kind: str, job_ids: Sequence[str]) -> str:
    """``kind:1:2`` as sbatch takes it; empty for no jobs."""
    return f"{kind}:{':'.join(job_ids)}" if job_ids else ""


def _share(job: str, points: Sequence[Point]) -> list[Point]:
    """The points that this allocation runs. In an array task of an array that a person submitted: its point of a
    multirun, or its array task of a job whose work is cut into array tasks."""
    points = [_with_cluster(point, job, allocation.allocated(point.config.cluster)) for point in points]
    number, count = allocation.task()
    if count == 1:
        return points
    if len(points) == 1 and JOBS[job].stages:
        stages = cut(
            job, [dataclasses.replace(points[0], config=with_value(points[0].config, f"{job}.array_size", count))]
        )
        if len(stages) > 1:
            raise UserError(
                f"jobs.{job} is {len(stages)} stages one after the other; submit with cluster=slurm, or name one with"
                f" {job}.stage"
            )
        return [stages[0][number]]
    if len(points) != count:
        raise UserError(
            f"the array has {count} array tasks and the multirun {len(points)} points; submit it with"
            f" --array=0-{len(points) - 1}"
        )
    return [points[number]]


def _with_cluster(point: Point, job: str, cluster: ClusterConfig) -> Point:
    """A point that asks for what its job can use: one process and one GPU, or none, whatever the experiment asks for
    its training."""
    if not JOBS[job].distributed:
        cluster = dataclasses.replace(
            cluster, nodes=1, tasks_per_node=1, gpus_per_node=min(cluster.gpus_per_node, int(JOBS[job].gpu))
        )
    if not JOBS[job].gpu:
        cluster = dataclasses.replace(
            cluster, partition=cluster.cpu_partition or cluster.partition, qos=cluster.cpu_qos or cluster.qos
        )
    return dataclasses.replace(point, config=dataclasses.replace(point.config, cluster=cluster))


def make_point(job: str, config: Config, label: str) -> Point:
    """A point of a job."""
    home = JOBS[job].home(config)
    point = Point(config, home, label, logs=str(Path(home) / "logs") if JOBS[job].is_training else "")
    return _with_cluster(point, job, config.cluster)


def refuse_equal_homes(points: Sequence[Point]) -> None:
    """Raise UserError where two points would write into one folder."""
    home, times = Counter(str(Path(point.home).absolute()) for point in points).most_common(1)[0]
    if times > 1:
        raise UserError(
            f"{times} points have the result folder {home}; leave run to its default, or name what differs in it"
        )


def is_queued(job: str, points: Sequence[Point]) -> dict[str, str]:
    """{home: job id} of those points that wait or run already, whoever submitted them. Raises UserError where that
    cannot be told (yet)."""
    return {one.home: one.job_id for one in waiting(job, points[0].config.runs_dir, [point.home for point in points])}


def tell(receipt: Receipt) -> None:
    """Print job ids, result folders, and the commands to watch and to cancel."""
    for submission in receipt.submissions:
        arrays = ", ".join(
            f"{array.job_id} ({array.count} {'array tasks' if array.count > 1 else 'array task'})"
            for array in submission.arrays
        )
        say(f"queued {submission.manifest['job']} as job {arrays}: {submission.folder}", "bold")
        for point in submission.points[:10]:
            say(f"  {point['index']:>4}  {point['home']}  {point['label']}")
        if len(submission.points) > 10:
            say(f"  ... and {len(submission.points) - 10} more")
    ids = ",".join(receipt.job_ids)
    say(f"watch:  python -m jobs.status --watch    squeue -j {ids}")
    say(f"cancel: scancel {ids.replace(',', ' ')}")


def show(job: str, points: Sequence[Point]) -> Receipt:
    """Print what would be queued: the batch script of each array, the points, the disk they will take. Queues nothing,
    keeps nothing."""
    array_tasks = cut(job, points)
    origin = origin_of(points[0].config.runs_dir, taken=False)
    place = Path(points[0].config.runs_dir).absolute() / FOLDER
    above = next(path for path in (place, *place.parents) if path.exists())
    receipt = prepare(job, array_tasks, origin=origin) if array_tasks else Receipt()
    receipt.submissions += prepare(job, points, origin=origin).submissions
    for submission in receipt.submissions:
        count = len(submission.points)
        print(batch_script(submission, 0, count))
        console.rule(f"{count} {'points' if count > 1 else 'point'}")
        for point in submission.points:
            say(f"  {point['index']:>4}  {point['home']}  {point['label']}")
        submission.remove()
    remove_empty(place, above)
    say(disk.describe(JOBS[job].disk([point.config for point in points])))
    return Receipt()
