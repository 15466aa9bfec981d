"""Executes the code blocks of a page as they stand there, in a copy of the project.

A block of `python` or `yaml` whose first line is a comment with a path is written to that file; a `diff` block, whose
first line is such a comment too, replaces the lines that it shows; a `bash` block is run.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.test_imports import OURS

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"# ([\w./-]+\.\w+)\n")


@dataclass(frozen=True)
class Block:
    """A code block."""

    language: str
    text: str

    @property
    def path(self) -> str:
        """The file that it describes; empty for commands."""
        found = PATH.match(self.text)
        return found[1] if found else ""


def section(page: str, title: str = "") -> list[Block]:
    """Code blocks of docs/``page``, with a ``title`` those below that heading, up to the next of its level."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    if title:
        headings = [(len(mark), name, place) for mark, name, place in _headings(text)]
        (number,) = (number for number, (_, name, _) in enumerate(headings) if name == title)
        level, _, begin = headings[number]
        end = next((place for other, _, place in headings[number + 1 :] if other <= level), len(text))
        text = text[begin:end]
    return [Block(*found) for found in FENCE.findall(text)]


def _headings(text: str) -> list[tuple[str, str, int]]:
    """(signs, title, place) of every heading; what stands in code blocks is none."""
    bare = FENCE.sub(lambda block: re.sub(r"^#", "-", block[0], flags=re.MULTILINE), text)
    return [(found[1], found[2], found.start()) for found in re.finditer(r"^(#+) (.+)$", bare, re.MULTILINE)]


def copy_project(folder: Path) -> Path:
    """The packages and their tests in ``folder``."""
    for package in (*sorted(OURS), "tests"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def execute(block: Block, folder: Path) -> str:
    """Do in ``folder`` what a reader of the block does; what a command prints."""
    file = folder / block.path if block.path else None
    if block.language in ("python", "yaml"):
        assert file, f"the block names no file in its first line: {block.text[:80]}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
        return ""
    if block.language == "diff":
        file.write_text(changed(file.read_text(encoding="utf-8"), block.text.split("\n", 1)[1]), encoding="utf-8")
        return ""
    assert block.language == "bash", block.language
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
    }
    done = subprocess.run(
        ["bash", "-ec", block.text], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def changed(text: str, difference: str) -> str:
    """``text`` with the lines of a difference replaced; a line `...` stands between two places."""
    for part in re.split(r"^ *\.\.\.\n", difference, flags=re.MULTILINE):
        lines = part.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "-", ""))
        after = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "+", ""))
        assert text.count(before) == 1, f"the page shows lines that are not there, or there more than once:\n{before}"
        text = text.replace(before, after)
    return text
