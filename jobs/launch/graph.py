"""A pipeline as a graph of SLURM jobs: each stage one array over the points, waiting for the stage before; what is done
is left out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from common.progress import say
from common.screen import screen
from conf.schema import Config
from jobs.launch.points import cut, depends, is_queued, make_point, queue_job, tell
from jobs.launch.steps import steps
from jobs.registry import JOBS
from jobs.validate import disk
from jobs.validate.order import Planned, validate_queue
from slurm.commands import available
from slurm.script import ranks_per_node
from slurm.submission import Point
from slurm.submit import Receipt
from slurm.wait import wait_for


@dataclass
class Stage:
    """One job of the chain over all points that it has to do."""

    job: str
    configs: list[Config]
    """Of all pipelines, as they are in this stage."""
    points: list[Point]
    """Points that are neither done nor queued."""
    total: int
    """Distinct results of this stage over all configurations."""
    queued: dict[str, str] = field(default_factory=dict)
    """Result folder -> job id of what waits or runs already."""
    receipt: Receipt = field(default_factory=Receipt)
    waits: str = ""
    """Dependency as sbatch takes it."""

    @property
    def open(self) -> bool:
        """Whether anything of it is still to come."""
        return bool(self.points or self.queued)

    def planned(self) -> Planned:
        """What of it is to be validated."""
        job = JOBS[self.job]
        leaves = [folder for config in self.configs for folder in job.makes(config)] if self.open else []
        return Planned(job, [point.config for point in self.points], leaves)

    def jobs(self) -> list[str]:
        """Ids of the arrays that end with it."""
        return [*dict.fromkeys(job.partition("_")[0] for job in self.queued.values()), *self.receipt.last_jobs()]


def plan(configs: Sequence[Config], labels: Sequence[str] = ()) -> list[Stage]:
    """The stages with what is left to do. A result counts as done where everything before it is done too."""
    labels = [*labels] or [""] * len(configs)
    stages, behind = [], set()
    for column in zip(*map(steps, configs), strict=True):
        job, own = column[0].job, [step.config for step in column]
        points = {
            JOBS[job].home(config): make_point(job, config, label) for config, label in zip(own, labels, strict=True)
        }
        owners = {JOBS[job].home(config): number for number, config in enumerate(own)}
        queued = is_queued(job, list(points.values())) if available() else {}
        missing = []
        for number, config in enumerate(own):
            home = JOBS[job].home(config)
            if number in behind or not JOBS[job].done(config):
                behind.add(number)
                if owners[home] == number and home not in queued:
                    missing.append(points[home])
        stages.append(Stage(job, own, missing, len(points), queued))
    return stages


def launch_graph(configs: Sequence[Config], labels: Sequence[str] = ()) -> Any:
    """Queue what is left of the pipelines; with dry_run=true draw it. Raises UserError, with nothing queued, for what
    would fail."""
    stages = plan(configs, labels)
    to_do = [point for stage in stages for point in stage.points]
    validate_queue([stage.planned() for stage in stages], ask_site=bool(to_do) and available())
    if configs[0].dry_run:
        draw(stages)
        for stage in stages:
            if stage.points and JOBS[stage.job].disk_ahead:
                say(disk.describe(JOBS[stage.job].disk([point.config for point in stage.points])))
        return Receipt()
    if not any(stage.open for stage in stages):
        say("everything is done already; dry_run=true shows what is where")
        return Receipt()
    whole = Receipt()
    for before, stage in zip([None, *stages], stages, strict=False):
        if stage.points:
            stage.waits = _waits(before, stage)
            names = [submission.folder.name for submission in before.receipt.submissions] if before else []
            stage.receipt = queue_job(stage.job, stage.points, stage.waits, names)
            whole.submissions += stage.receipt.submissions
    draw(stages)
    tell(whole)
    return wait_for(whole) if configs[0].cluster.wait else whole


def _waits(before: Stage | None, stage: Stage) -> str:
    """Array task by array task where both stages are one array over the same points, else the whole stage."""
    if before is None or not before.open:
        return ""
    submissions = before.receipt.submissions
    same = [point.label for point in before.points] == [point.label for point in stage.points] and len(
        stage.points
    ) == stage.total > 1
    plain = len(submissions) == 1 and len(submissions[0].arrays) == 1 and not before.queued and not _is_cut(stage)
    kind = "aftercorr" if same and plain and stage.points[0].config.cluster.requeue != "chain" else "afterok"
    return depends(kind, before.jobs())


def _is_cut(stage: Stage) -> bool:
    return bool(stage.points and cut(stage.job, stage.points[:1]))


def draw(stages: Sequence[Stage]) -> None:
    """Print the graph."""
    console = screen()
    steps = [name for stage in stages for name in _steps(stage)]
    console.print(" -> ".join(steps))
    table = Table("stage", "job", "waits for", "asks for", "state", "result", box=None, pad_edge=False)
    for stage in stages:
        state = f"{len(stage.points)} of {stage.total} to do" if stage.points else "queued" if stage.queued else "done"
        homes = [point.home for point in stage.points] or list(stage.queued)
        result = homes[0] + (f" and {len(homes) - 1} more" if len(homes) > 1 else "") if homes else ""
        ids = ", ".join(stage.jobs()) or "-"
        table.add_row(stage.job, ids, stage.waits or "-", _asks(stage), state, result)
    console.print(table)


def _steps(stage: Stage) -> list[str]:
    """Its jobs, as they follow each other."""
    if not _is_cut(stage):
        return [
            f"{stage.job}{f' x {len(stage.points)}' if len(stage.points) > 1 else ''}{'' if stage.open else ' (done)'}"
        ]
    job, parts = JOBS[stage.job], cut(stage.job, stage.points)
    names = [part.name or job.name for part in job.stages(stage.points[0].config)]
    return [*(f"{name} x {len(part)}" for name, part in zip(names, parts, strict=True)), job.last_stage]


def _asks(stage: Stage) -> str:
    if not stage.points:
        return ""
    cluster = stage.points[0].config.cluster
    nodes = f"{cluster.nodes} {'nodes' if cluster.nodes > 1 else 'node'} x {ranks_per_node(cluster)}"
    gpus = f", {cluster.gpus_per_node} GPUs" if cluster.gpus_per_node else ""
    return f"{nodes}{gpus}, {cluster.time}" + (f", {cluster.partition}" if cluster.partition else "")
