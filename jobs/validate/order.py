"""The one order in which a start is refused, be it here or in a queue, dry or not. What is met first is the one error.

    schema          values that a key cannot take       `conf.schema.check`, as `jobs.launch.compose` composes
    configuration   what cannot be meant                `jobs.validate.configuration`, and `Job.check` of the job's record
    files           what is missing, or does not fit    `jobs.validate.files`, and `Job.check_files`
    site            what SLURM would never start        `jobs.validate.site`
    disk            what would not fit on it            `jobs.validate.disk`

Of several jobs (a pipeline) and several points (a multirun) all are held to one before any is held to the next.
"""  # noqa: E501

from collections.abc import Sequence
from dataclasses import dataclass, field

from conf.schema import Config
from jobs.records.job import Job
from jobs.registry import JOBS
from jobs.validate import configuration, disk, files, site


@dataclass(frozen=True)
class Planned:
    """A job, and the configurations for which it is to run."""

    job: Job
    configs: Sequence[Config]
    leaves: Sequence[str] = field(default=())
    """Folders that it will have made by the time that the job after it starts."""


def validate_start(job: str, config: Config) -> None:
    """Raise UserError for what a job that begins in this process, now, cannot be meant to do. For its files it looks
    itself, before it writes anything."""
    configuration.check(JOBS[job], config)


def validate_chain(steps: Sequence[Planned], ranks: int) -> None:
    """Raise UserError for the first thing for which one of ``steps``, which follow each other in this process, would
    fail."""
    _configurations(steps)
    _files(steps, ranks)


def validate_queue(steps: Sequence[Planned], ask_site: bool) -> None:
    """Raise UserError for the first thing for which one of ``steps``, which are to be queued, would fail on a node.

    ``ask_site``: SLURM is asked, too."""
    for config in _configs(steps):
        configuration.check_queue(config)
    _configurations(steps)
    for config in _configs(steps):
        files.check_container(config)
    _files(steps, ranks=None)
    if ask_site:
        site.check(*_configs(steps))
    _disk(steps)


def _configs(steps: Sequence[Planned]) -> list[Config]:
    return [config for step in steps for config in step.configs]


def _configurations(steps: Sequence[Planned]) -> None:
    trained = False
    for step in steps:
        for config in step.configs:
            configuration.check(step.job, config)
            if trained:
                step.job.check_after_training(config)
        trained = trained or step.job.is_training


def _files(steps: Sequence[Planned], ranks: int | None) -> None:
    coming: list[str] = []
    for step in steps:
        for config in step.configs:
            files.check_inputs(step.job, config, coming)
            files.check(step.job, config, coming)
            if step.job.is_training:
                files.check_run(config, coming, ranks)
        coming += step.leaves


def _disk(steps: Sequence[Planned]) -> None:
    for step in steps:
        if step.configs and (len(steps) == 1 or step.job.disk_ahead):
            disk.check(step.job, step.configs)
