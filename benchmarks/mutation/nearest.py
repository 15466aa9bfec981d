"""The test files nearest to a source file: its namesake in the mirrored tree, those that import it, those beside it."""

import ast
from functools import cache
from pathlib import Path

LIMIT = 5


def nearest_tests(source: Path, root: Path, limit: int = LIMIT) -> list[str]:
    """Test files, relative to ``root``, that are asked whether they notice a change of ``source``."""
    module = ".".join(source.relative_to(root).with_suffix("").parts)
    namesake = root / "tests" / source.relative_to(root).with_name(f"test_{source.name}")
    importers = [file for file, modules in _imports(root / "tests").items() if module in modules and file != namesake]
    importers.sort(key=lambda file: (_distance(file, namesake), file.stat().st_size))
    chosen = ([namesake] if namesake.exists() else []) + importers
    beside = sorted(set(namesake.parent.glob("test_*.py")) - set(chosen), key=lambda file: file.stat().st_size)
    return [str(file.relative_to(root)) for file in (chosen + beside)[:limit]]


def _distance(file: Path, other: Path) -> int:
    """Folders between two files."""
    common = len([1 for one, two in zip(file.parts, other.parts, strict=False) if one == two])
    return len(file.parts) + len(other.parts) - 2 * common


@cache
def _imports(folder: Path) -> dict[Path, set[str]]:
    """Modules that each test file names in an import."""
    modules = {}
    for file in folder.rglob("test_*.py"):
        modules[file] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules[file] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules[file] |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules
