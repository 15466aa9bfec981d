"""Source files of the project, each read and parsed once in a process, for the tests that hold all of them to a
rule."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def text_of(path: Path) -> str:
    """Text of a source file."""
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    """Syntax tree of a source file; to be read only."""
    return ast.parse(text_of(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of the tree of a source file."""
    return tuple(ast.walk(tree_of(path)))
