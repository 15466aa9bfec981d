"""Names of files and folders on disk are spelled in `common/layout.py` alone."""

import ast
import re
from collections.abc import Iterator

import pytest

from common import layout
from tests.sources import ROOT, tree_of

PACKAGES = ("benchmarks", "common", "conf", "data_prep", "jobs", "model", "slurm")
FILES = sorted(
    path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path != ROOT / "common" / "layout.py"
)
NAMES = {
    layout.MANIFEST, layout.CONFIG, layout.METRICS, layout.REPORT, layout.OWNER, layout.TOKENS, layout.TOKENS_INDEX,
    layout.DOCUMENTS, layout.TOKENIZER,
}  # fmt: skip
FOLDERS = {layout.CURVES, layout.RESULTS, layout.CHECKPOINTS, layout.MEGATRON, layout.HF}
"""Words too: they count as names where they are a part of a path."""


def spelled(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every literal that spells a name of the layout; what has blanks is prose."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    joined = {id(part) for node in ast.walk(tree) if isinstance(node, ast.BinOp) for part in (node.left, node.right)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)) or id(node) in documentation:
            continue
        parts = node.value.split("/")
        names = NAMES | FOLDERS if len(parts) > 1 or id(node) in joined else NAMES
        named = not names.isdisjoint(parts) or any(re.match(r"step_[\d*?\[(]", part) for part in parts)
        if named and not re.search(r"\s", node.value):
            yield node.lineno, node.value


def test_names_on_disk_are_spelled_in_one_place():
    for path in FILES:
        assert not list(spelled(tree_of(path))), path


@pytest.mark.parametrize(
    "line", ['run / "eval"', 'open("config.yaml")', 'glob("step_*")', 'f"{run}/checkpoints/best"', '["a/hf"]']
)
def test_a_name_that_is_spelled_is_found(line):
    assert list(spelled(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ['sections["checkpoints"]', '"""eval/step_0001000.json"""', '"no config.yaml in it"', "layout.HF"]
)
def test_words_and_prose_are_none(line):
    assert not list(spelled(ast.parse(line)))
