"""The import direction of the design: jobs -> slurm, model, data_prep -> conf.schema, common."""

import ast
from functools import cache
from pathlib import Path

from tests.sources import ROOT, nodes_of

OURS = {"common", "conf", "data_prep", "jobs", "model", "slurm"}
ALLOWED = {
    "common": set(),
    "conf": {"common"},
    "data_prep": {"common", "conf"},
    "model": {"common", "conf"},
    "slurm": {"common", "conf"},
    "jobs": {"common", "conf", "data_prep", "model", "slurm"},
}
PROCESS_STATE = (
    "megatron.core.parallel_state", "megatron.core.optimizer", "megatron.core.dist_checkpointing",
    "megatron.core.distributed",
    "megatron.core.pipeline_parallel",
)  # fmt: skip
FILES = sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))


@cache
def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, inside functions too."""
    names = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_imports_point_one_way():
    for path in FILES:
        package = path.relative_to(ROOT).parts[0]
        used = {name.split(".")[0] for name in imported(path)} & OURS - {package}
        assert used <= ALLOWED[package], f"{path}: {package} must not import {used - ALLOWED[package]}"


def test_only_the_adapter_touches_the_process_state_of_megatron():
    for path in FILES:
        adapter = path.relative_to(ROOT).parts[:2] == ("model", "megatron")
        forbidden = ("megatron.training",) if adapter else ("megatron.training", *PROCESS_STATE)
        assert not [name for name in imported(path) if name.startswith(forbidden)], path


def test_every_package_is_known():
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == OURS
