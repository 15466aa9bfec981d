"""Disk for run folders: bytes, and the inodes that parallel file systems count too."""

import os
from pathlib import Path

from common.disk import free_space
from conf.schema import Config
from jobs.checks.finding import MISSING, NOTE, OK, Finding

GB = 1e9
LITTLE_SPACE = 10 * GB
"""Four checkpoints of a base-size encoder, of 150M parameters with master weights, two moments and the hf/ half."""
FEW_FILES = 10_000
"""A checkpoint of 8 ranks takes about 30, a run with its checkpoints, probes and logs some thousands."""


def runs(config: Config) -> Finding:
    """Room for run folders."""
    folder = Path(config.runs_dir).absolute()
    if refusal := unwritable(folder):
        return Finding("runs", MISSING, refusal, "set runs_dir to a folder of yours")
    free, inodes = free_space(folder)
    found = f"{free / GB:.0f} GB" + (f" and {inodes:,} files" if inodes else "") + f" free under {folder}"
    if free < LITTLE_SPACE:
        return Finding(
            "runs", NOTE, found, "a checkpoint of a base-size encoder takes 2.4 GB; set runs_dir to a larger disk"
        )
    if 0 < inodes < FEW_FILES:
        return Finding(
            "runs", NOTE, found, "few files may still be made here; remove old runs, or set runs_dir to another disk"
        )
    return Finding("runs", OK, found)


def unwritable(folder: Path) -> str:
    """Why `folder` cannot be made or written to; empty where it can."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return "" if there.is_dir() and os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written to"
