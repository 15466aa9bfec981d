"""The import direction of the design: jobs -> slurm, model, data_prep -> conf.schema, common."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
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


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    used = {name.split(".")[0] for name in imported(path)} & OURS - {package}
    assert used <= ALLOWED[package], f"{package} must not import {used - ALLOWED[package]}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_adapter_touches_the_process_state_of_megatron(path):
    relative = path.relative_to(ROOT)
    names = imported(path)
    assert not any(name.startswith("megatron.training") for name in names)
    if relative.parts[:2] != ("model", "megatron"):
        assert not [name for name in names if name.startswith(PROCESS_STATE)]


def test_every_package_is_known():
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == OURS
