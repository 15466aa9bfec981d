"""No import circle between modules or folders of data_prep and common, imports hidden in functions included."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("common", "data_prep")
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
}
Graph = dict[str, set[str]]


def imports_of(path: Path) -> set[str]:
    """Modules of ours that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: write the whole name of the module"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {member if member in FILES else node.module for member in members}
    return names & FILES.keys()


MODULES: Graph = {name: imports_of(path) - {name} for name, path in FILES.items()}


def folder_of(module: str) -> str:
    return str(FILES[module].parent.relative_to(ROOT))


def folders(modules: Mapping[str, Iterable[str]]) -> Graph:
    graph: Graph = {folder_of(module): set() for module in modules}
    for module, used in modules.items():
        graph[folder_of(module)] |= {folder_of(other) for other in used} - {folder_of(module)}
    return graph


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """The first circle, its beginning at both ends; empty where there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for other in sorted(graph[node]):
            if way := walk(other, [*path, node]):
                return way
        done.add(node)
        return []

    return next((way for node in sorted(graph) if (way := walk(node, []))), [])


@pytest.mark.parametrize("graph", [MODULES, folders(MODULES)], ids=["modules", "folders"])
def test_no_circle(graph):
    assert not (way := circle(graph)), " -> ".join(way)


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert circle({"a": {"b"}, "b": set()}) == []


def test_the_graph_is_that_of_the_code():
    assert "data_prep.records.record" in MODULES["data_prep.filters.rule"]
    assert len(MODULES) > 150 and sum(map(len, MODULES.values())) > 500
