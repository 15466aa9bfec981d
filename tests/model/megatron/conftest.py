"""A small training to test with, here and in processes of its own."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from conf.schema import ParallelConfig
from model.megatron import startup

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("tiny_run.py")
FOREIGN = ("SLURM_", "SUBMITIT_", "TORCHELASTIC_", "RANK", "WORLD_SIZE", "LOCAL_", "MASTER_")


@pytest.fixture(autouse=True)
def started():
    """One rank, one thread, seeded."""
    startup.start(ParallelConfig(threads=1), seed=0)


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module `tiny_run`."""
    spec = importlib.util.spec_from_file_location("tiny_run", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def python() -> Callable[..., list[str]]:
    """Run python with arguments in a process of its own; the lines it prints."""

    def run(*arguments: str | Path) -> list[str]:
        env = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        env |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.splitlines()

    return run


@pytest.fixture(scope="session")
def script() -> Path:
    """`tiny_run.py`, to be run as a process."""
    return SCRIPT
