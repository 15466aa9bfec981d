"""Refusals of one job that is to be queued, for tests."""

from collections.abc import Sequence

from conf.schema import Config
from jobs.registry import JOBS
from jobs.validate.order import Planned, validate_queue


def refuse(job: str, config: Config, made: Sequence[str] = ()) -> None:
    """Raise UserError for what would be refused before ``job`` is queued. ``made``: folders that a job before it makes."""
    validate_queue([Planned(JOBS["prepare"], [], made), Planned(JOBS[job], [config])], ask_site=False)
