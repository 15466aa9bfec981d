"""A pipeline as a graph of SLURM jobs: each stage one array over the points, waiting for the stage before; what is done
is left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from common import manifest as manifests
from common.progress import say
from common.screen import screen
from conf.schema import Config
from jobs.doctor import short
from jobs.launch.points import cut, depends, is_queued, make_point, queue_job, tell
from jobs.launch.steps import steps
from jobs.registry import JOBS
from jobs.validate.disk import check_room, forecast
from jobs.validate.training import refuse, refuse_long_texts
from model.training.run import load_config
from model.training.saves import PROBE, linked, list_checkpoints
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
            if number in behind or not _done(job, config):
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
    made: list[str] = []
    for stage in stages:
        for point in stage.points:
            refuse(stage.job, point.config, made)
            if stage.job == "sweep":
                refuse_long_texts(point.config)
        made += [place for config in stage.configs for place in _makes(stage.job, config)] if stage.open else []
    if training := [point.config for stage in stages for point in stage.points if stage.job == "train"]:
        check_room("train", training)
    if to_do and available():
        short(*(point.config for point in to_do))
    if configs[0].dry_run:
        draw(stages)
        if training:
            say(forecast("train", training).describe())
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


def _makes(job: str, config: Config) -> list[str]:
    """Folders that a stage leaves behind."""
    return [JOBS[job].home(config), *([config.data.retrieval] if job == "quickstart" else [])]


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
    parts = cut(stage.job, stage.points)
    names = (
        [stage.points[0].config.corpus.stage or stage.job]
        if len(parts) == 1
        else [part[0].config.corpus.stage for part in parts]
    )
    last = {"prepare": "merge", "sweep": "select"}.get(stage.job, "report")
    return [*(f"{name} x {len(part)}" for name, part in zip(names, parts, strict=True)), last]


def _asks(stage: Stage) -> str:
    if not stage.points:
        return ""
    cluster = stage.points[0].config.cluster
    nodes = f"{cluster.nodes} {'nodes' if cluster.nodes > 1 else 'node'} x {ranks_per_node(cluster)}"
    gpus = f", {cluster.gpus_per_node} GPUs" if cluster.gpus_per_node else ""
    return f"{nodes}{gpus}, {cluster.time}" + (f", {cluster.partition}" if cluster.partition else "")


def _trained(config: Config) -> bool:
    """Whether the run has made its last step. One that is to be extended goes on."""
    run = Path(config.run_dir)
    if not (run / manifests.NAME).is_file() or manifests.read(run).get("status") != "finished":
        return False

    def length(one: Config) -> tuple:
        return one.train.steps, one.train.tokens, one.budget, {name: phase.tokens for name, phase in one.phases.items()}

    return length(load_config(run)) == length(config)


def _swept(config: Config) -> bool:
    """Whether every probe checkpoint has a result and the best is chosen."""
    run = Path(config.sweep.run)
    checkpoints = [checkpoint for checkpoint in list_checkpoints(run) if checkpoint.kind == PROBE]
    return (
        bool(checkpoints)
        and all((run / "eval" / f"{checkpoint.folder.name}.json").is_file() for checkpoint in checkpoints)
        and linked(run, "best") is not None
    )


def _done(job: str, config: Config) -> bool:
    """Whether the result of a job is there."""
    if job in DONE:
        return DONE[job](config)
    return (Path(JOBS[job].home(config)) / manifests.NAME).is_file()


DONE: dict[str, Callable[[Config], bool]] = {
    "mix": lambda config: all(
        (Path(config.mixture.output) / name / manifests.NAME).is_file() for name in config.phases
    ),
    "tokenizer": lambda config: (Path(config.data.tokenizer) / "tokenizer.json").is_file(),
    "train": _trained,
    "sweep": _swept,
}
