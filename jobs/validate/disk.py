"""Disk and inodes that a submission will take, so that a full disk is met before it is queued and not after three
days."""

from collections.abc import Sequence

from common.disk import free_space
from common.errors import UserError
from conf.schema import Config
from jobs.records.job import DiskNeed, Job

GB = 1e9


def check(job: Job, configs: Sequence[Config]) -> None:
    """Raise UserError where what the points take together does not fit."""
    need = job.disk(configs)
    free, inodes = free_space(need.folder)
    if need.bytes > free or (inodes and need.files > inodes):
        raise UserError(
            f"{describe(need)}: this does not fit; make room, lower train.checkpoint.keep_last or keep_probes, or set"
            " runs_dir to a larger disk"
        )


def describe(need: DiskNeed) -> str:
    """A need, and what is free, for people."""
    free, inodes = free_space(need.folder)
    left = f"{free / GB:,.1f} GB and {inodes:,} files free" if inodes else f"{free / GB:,.1f} GB free"
    return f"disk: up to {need.bytes / GB:,.2f} GB in {need.files:,} files under {need.folder} ({need.why}); {left}"
