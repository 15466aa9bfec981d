"""What all processes of one pytest session share, the workers of xdist too: a folder, and what is made in it once.

The process that a person starts makes the folder and names it to the workers through the environment; it goes with the
session.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

FOLDER, OWNER = "TERZI_TEST_SESSION", "TERZI_TEST_SESSION_PROCESS"


def begin(config: pytest.Config) -> None:
    """Make the folder, in the process that is no worker."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="terzi-tests-")
        os.environ |= {FOLDER: folder, OWNER: str(os.getpid())}
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def folder() -> Path:
    """The folder of this session."""
    return Path(os.environ[FOLDER])


def owner() -> int:
    """Process id of the process that ends last in this session."""
    return int(os.environ[OWNER])


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Folder ``name``, which ``make(folder)`` fills in the first process that asks, others wait; to be read only."""
    target = folder() / name
    with FileLock(folder() / f".{name}.lock"):
        if not target.exists():
            aside = folder() / f".{name}"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            make(aside)
            aside.rename(target)
    return target
