"""Files are removed and renamed by `common/remove.py` and `common/files.py` alone, and who calls them for that is
listed here."""

import ast

import pytest

from tests.sources import ROOT, tree_of
from tests.test_imports import FILES

ANY = {"rmtree", "unlink", "rmdir", "removedirs", "rename", "renames"}
"""Functions of os and shutil, and methods of paths, that no other object of ours has."""
OF_MODULES = {"os": {"remove", "replace"}, "shutil": {"move", "rmtree"}}
NO_PATHS = {"dataclasses.replace", "self.anonymiser.replace"}
RAW = {
    "common/remove.py": {"rename", "rmdir", "rmtree", "unlink"},
    "common/files.py": {"replace"},
    "common/claim.py": {"rename"},  # a claim is taken over from a dead process by one rename
}
CALLERS = {
    "common/claim.py": {"remove_file"},
    "common/fence.py": {"remove_file"},
    "common/files.py": {"move_away", "put_in_place", "remove_aside", "remove_empty", "remove_file", "set_aside"},
    "data_prep/corpus/stages/write.py": {"put_in_place", "remove_file"},
    "data_prep/ocr/read.py": {"remove_file"},
    "data_prep/tokens/adopt.py": {"put_in_place", "remove_aside"},
    "data_prep/tokens/merge.py": {"remove_file", "remove_folder"},
    "jobs/launch/points.py": {"remove_empty"},
    "jobs/corpus.py": {"sweep_asides"},
    "jobs/embedder.py": {"sweep_asides"},
    "jobs/merge.py": {"mark", "put_in_place", "remove_file", "remove_folder", "remove_marked"},
    "jobs/mirror/hub.py": {"remove_file"},
    "jobs/mirror/wheelhouse.py": {"put_in_place", "remove_aside", "sweep_asides"},
    "jobs/mix.py": {"sweep_asides"},
    "jobs/ocr.py": {"sweep_asides"},
    "jobs/prepare.py": {"sweep_asides"},
    "jobs/recycle.py": {"sweep_asides"},
    "jobs/split.py": {"sweep_asides"},
    "jobs/tokenizer.py": {"sweep_asides"},
    "model/evaluation/pending.py": {"remove_file"},
    "model/evaluation/scalars.py": {"remove_files"},
    "model/surgery/selection.py": {"sweep_asides"},
    "model/training/callbacks/hparams.py": {"remove_files"},
    "model/training/callbacks/tracking/wandb.py": {"remove_aside", "set_aside"},
    "model/training/run/clear.py": {"move_away", "remove_file", "remove_files", "remove_folder"},
    "model/training/run/folder.py": {"sweep_asides"},
    "model/training/checkpoints/checkpoints.py": {"remove_folder"},
    "slurm/outbox.py": {"remove_file"},
    "slurm/snapshot.py": {"remove_aside", "set_aside"},
    "slurm/submission.py": {"remove_aside", "set_aside"},
}
OURS = set().union(*CALLERS.values())


def raw(tree: ast.Module) -> set[str]:
    """Names of calls that remove or rename."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil", "pathlib"):
            found |= {alias.name for alias in node.names} & (ANY | OF_MODULES.get(node.module, set()))
        elif isinstance(node, ast.Attribute):
            module = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in ANY | OF_MODULES.get(module, set()):
                found.add(node.attr)
        elif isinstance(node, ast.Constant) and node.value in (
            "rm",
            "rmdir",
            "mv",
            "unlink",
        ):  # a program that is called
            found.add(node.value)
        one = isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords  # text.replace takes two
        if one and ast.unparse(node.func).endswith(".replace") and ast.unparse(node.func) not in NO_PATHS:
            found.add("replace")
    return found


def called(tree: ast.Module) -> set[str]:
    """Names of functions of ours for that which are called."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {getattr(call, "id", getattr(call, "attr", "")) for call in calls} & OURS


def test_only_one_place_removes():
    for path in FILES:
        name, tree = str(path.relative_to(ROOT)), tree_of(path)
        expected, callers = RAW.get(name, set()), CALLERS.get(name, set())
        assert raw(tree) == expected, f"{name}: remove and rename through common/remove.py and common/files.py"
        if name != "common/remove.py":
            assert called(tree) == callers, f"{name}: say in CALLERS what it removes, after a look at the rules"


def test_the_tables_name_files_that_are_there():
    assert {*RAW, *CALLERS} <= {str(path.relative_to(ROOT)) for path in FILES}


@pytest.mark.parametrize(
    "source",
    [
        "import shutil\nshutil.rmtree(x)", "from shutil import rmtree as r\nr(x)", "import os\nos.remove(x)",
        "from os import replace\nreplace(x, y)",
        "x.unlink()", "remove = x.unlink", "x.rename(y)", "x.replace(y)", "import os\nos.replace(x, y)",
        "import shutil\nshutil.move(x, y)",
        "x.rmdir()", "import subprocess\nsubprocess.run(['rm', '-rf', x])",
    ],
)  # fmt: skip
def test_every_way_to_remove_is_seen(source):
    assert raw(ast.parse(source))


@pytest.mark.parametrize("source", ["text.replace('a', 'b')", "dataclasses.replace(x, a=1)", "x.remove(y)"])
def test_other_calls_are_not(source):
    assert not raw(ast.parse(source))
