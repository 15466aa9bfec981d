"""No package has an import circle: neither between modules nor between rooms, imports within functions included.

Rooms are compared as siblings: below each folder, its files and its subfolders (each with all that is below it) import
each other without a circle. So a file at the top of a room may tell its story by what the subfolders do, and use what
other files there offer, but nothing in a subfolder may import a file that imports that subfolder. Imports under
TYPE_CHECKING name types alone and never run; they are left out."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.sources import ROOT, tree_of

PACKAGES = ("common", "conf", "data_prep", "model", "slurm", "jobs", "benchmarks")
CIRCULAR_MODULES = []
"""Modules that still import each other in a circle; to become empty."""
STILL_CIRCULAR: dict[str, set[str]] = {}
"""Folder -> siblings in it that still import each other in a circle; to become empty."""

Graph = Mapping[str, set[str]]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
"""Dotted name -> file; that of a package ends with __init__."""


def running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a module, those of blocks under TYPE_CHECKING aside."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from running_nodes(node)


def imports_of(path: Path) -> set[str]:
    """Our modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in running_nodes(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
            if any(f"{node.module}.{alias.name}" not in MODULES for alias in node.names):
                names.add(node.module)
    return {module for name in names for module in (name, f"{name}.__init__") if module in MODULES}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return import_graph()


def import_graph() -> dict[str, set[str]]:
    """Module -> modules that it imports."""
    return {name: imports_of(path) - {name} for name, path in MODULES.items()}


def sibling_graphs(graph: Graph) -> dict[str, dict[str, set[str]]]:
    """Folder -> for each file or subfolder in it, those beside it that it imports."""
    folders: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for importer, imported in graph.items():
        for module in imported:
            ours, theirs = importer.split("."), module.split(".")
            depth = next(place for place, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1])
            if depth:  # packages of the top level: tests/test_imports.py
                folders[".".join(ours[:depth])][ours[depth]].add(theirs[depth])
    return folders


def circles(graph: Graph) -> list[set[str]]:
    """Groups of nodes that reach each other (strongly connected components of more than one, Tarjan 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[set[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for neighbour in graph.get(node, ()):
            if neighbour not in order:
                visit(neighbour)
                lowest[node] = min(lowest[node], lowest[neighbour])
            elif neighbour in stack:
                lowest[node] = min(lowest[node], order[neighbour])
        if lowest[node] == order[node]:
            group = set(stack[stack.index(node) :])
            del stack[stack.index(node) :]
            groups.append(group)

    for node in graph:
        if node not in order:
            visit(node)
    return [group for group in groups if len(group) > 1]


def test_no_modules_import_each_other_in_a_circle(graph):
    assert circles(graph) == CIRCULAR_MODULES


def test_no_rooms_import_each_other_in_a_circle(graph):
    siblings = sibling_graphs(graph)
    for folder in sorted({*siblings, *STILL_CIRCULAR}):
        groups = circles(siblings[folder])
        edges = {
            importer: {module for module in imported if any({importer, module} <= group for group in groups)}
            for importer, imported in siblings[folder].items()
        }
        ends = {name: modules for name, modules in edges.items() if modules}
        assert set().union(*groups) == STILL_CIRCULAR.get(folder, set()), (folder, ends)


def test_no_folders_of_data_import_each_other_in_a_circle(graph):
    """Of common and data_prep, where each folder stands for the files in it."""
    folders: dict[str, set[str]] = defaultdict(set)
    for importer, imported in graph.items():
        if importer.startswith(("common.", "data_prep.")):
            ours = importer.rpartition(".")[0]
            folders[ours] |= {module.rpartition(".")[0] for module in imported} - {ours}
    assert circles(folders) == []


def test_the_graph_is_that_of_the_code(graph):
    assert "data_prep.records.record" in graph["data_prep.filters.rule"]
    assert len(graph) > 500 and sum(map(len, graph.values())) > 1500


def test_a_circle_is_seen(tmp_path):
    """Also one that is hidden in a function; names for types alone are none."""
    hidden = tmp_path / "hidden.py"
    hidden.write_text("def f():\n    if True:\n        from common import errors\n        import common.files\n")
    types = tmp_path / "types.py"
    types.write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from common.files import digest\n")
    assert imports_of(hidden) == {"common.errors", "common.files"} and imports_of(types) == set()
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [{"a", "b", "c"}]
    graph = {"p.a.x": {"p.b.y"}, "p.b.z": {"p.a.w"}, "p.b.y": set(), "p.a.w": set()}
    assert circles(graph) == [] and circles(sibling_graphs(graph)["p"]) == [{"a", "b"}]
