"""Refusals of one job that is to be queued, for tests."""

from collections.abc import Callable, Sequence
from typing import Any

from conf.schema import Config
from conf.schema.check import check
from jobs.cli import run_here
from jobs.registry import JOBS
from jobs.validate.order import Planned, validate_queue


def refuse(job: str, config: Config, made: Sequence[str] = ()) -> None:
    """Raise UserError for what would be refused before ``job`` is queued. ``made``: folders that a job before it
    makes."""
    validate_queue([Planned(JOBS["prepare"], [], made), Planned(JOBS[job], [config])], ask_site=False)


def checked(job: str, run: Callable[[Config], Any], config: Config) -> Any:
    """Run a job with a configuration that was not composed, held to the schema and to what every start is held to."""
    check(config)
    return run_here(job, run, config)
