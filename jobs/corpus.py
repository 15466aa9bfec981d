"""From raw text to kept documents: clean, filter, decontaminate, deduplicate, anonymise; with a funnel report that says
what went and why.

  python -m jobs.corpus name=mine 'corpus.inputs=[my/folder]' corpus.language=tr       one source, without a YAML
  python -m jobs.corpus experiment=mecellem/corpus dry_run=true   sources, shards and stages; what is done already
  python -m jobs.corpus experiment=mecellem/corpus                                      here, on all cores
  python -m jobs.corpus experiment=mecellem/corpus cluster=slurm corpus.array_size=64   each stage an array
  python -m jobs.corpus experiment=mecellem/corpus corpus.languages.tr.rules.fineweb.short_line=20   another threshold

Killed at any moment, the same command does what is left; the documents are the same for any number of array tasks.
Other rules or thresholds do again what they touch. The documents are in <corpus.output>/documents, the report in
<corpus.output>/funnel.html."""

from typing import Any

from rich.table import Table

from common.environment import cores
from common.errors import UserError, suggestion
from common.files import nothing_left
from common.progress import say
from common.remove import sweep_asides
from common.screen import screen
from conf.schema import Config
from data_prep.corpus.factory import SHARED, StageShare, freeze_corpus, run_stage_share, stage_share, stages
from data_prep.corpus.stages.stage import Stage
from data_prep.corpus.stages.versions import raised_versions
from jobs.cli import main
from slurm.local import run_array_tasks


def run(config: Config) -> dict[str, Any] | None:
    """Fill `corpus.output`; returns counts by source (None for a dry run)."""
    from data_prep.corpus.publish import publish

    config = freeze_corpus(config)
    line = stages(config)
    if not config.corpus.stage:  # the job itself, and no array task of it
        for key, unread in line[0].work.plan.unread.items():
            unread.tell(key)
    if config.dry_run:
        return _show(config, line)
    asked = _named(line, config.corpus.stage) if config.corpus.stage else None
    if asked:
        line[-1].claim()
        return _one(config, asked)
    with nothing_left(config.corpus.output, str(line[-1].claims.relative_to(config.corpus.output))):
        line[-1].claim()
        for stage in line:
            if stage.folder.exists():  # nobody else is at work: array tasks name their stage
                sweep_asides(stage.folder)
            _all(config, stage)
        made = publish(line)
    say(
        f"{config.corpus.output}: {made['kept']:,} of {made['read']:,} documents kept; see"
        f" {config.corpus.output}/funnel.html"
    )
    return made


def _named(line: list[Stage], name: str) -> Stage:
    """The stage of a name. Raises UserError where this corpus has none."""
    names = [stage.name for stage in line]
    if name not in names:
        raise UserError(
            f"corpus.stage={name} is no stage of this corpus{suggestion(name, names)}; there are: {', '.join(names)}"
        )
    return line[names.index(name)]


def _all(config: Config, stage: Stage) -> None:
    """Every unit of a stage, shared by the array tasks that run side by side here."""
    tasks = stage.tasks()
    left = [task for task in tasks if not stage.find(task)]
    if not left:
        return
    for change in raised_versions(stage, left):
        say(change)
    size = sum(task.size for task in tasks)
    workers = min(len(tasks), config.cluster.workers or cores()) if stage.name in SHARED and size > stage.small else 1
    points = [StageShare(config, stage.name, workers, array_task) for array_task in range(workers)]
    run_array_tasks(run_stage_share, points, workers, stage.name, round(size, 1), "MB")


def _one(config: Config, stage: Stage) -> dict[str, Any]:
    """One stage: the share of one array task of an array, or all of it."""
    if config.corpus.array_task is None:
        _all(config, stage)
        return {"stage": stage.name, "units": len(stage.tasks())}
    point = StageShare(
        config, stage.name, config.corpus.array_size if stage.name in SHARED else 1, config.corpus.array_task
    )
    tasks = stage_share(stage, point.array_size, point.array_task)
    run_array_tasks(run_stage_share, [point], 1, stage.name, round(sum(task.size for task in tasks), 1), "MB")
    return {"stage": stage.name, "units": len(tasks)}


def _show(config: Config, line: list[Stage]) -> None:
    """Print sources and stages."""
    console = screen()
    plan = line[0].work.plan
    table = Table("source", "language", "shards", "MB", "cleaning", "rules", title=f"sources of {config.corpus.output}")
    for name, source in plan.sources.items():
        units = [unit for unit in plan.units if unit.source == name]
        size = sum(unit.shard.bytes for unit in units) / 1e6
        table.add_row(
            name,
            source.language,
            str(len(units)),
            f"{size:.1f}",
            ", ".join(plan.cleaning(name)),
            ", ".join(plan.rules(name)),
        )
    console.print(table)
    table = Table("stage", "units", "there", "array tasks", title="stages")
    for stage in line:
        tasks = stage.tasks()
        try:
            there = str(sum(stage.find(task) is not None for task in tasks))
        except UserError:  # a stage before is not done, so this one is not
            there = "0"
        table.add_row(
            stage.name,
            str(len(tasks)),
            there,
            str(min(len(tasks), config.corpus.array_size) if stage.name in SHARED else 1),
        )
    console.print(table)


if __name__ == "__main__":
    main("corpus", run)
