"""Mutants of a source file: valid Python, each with one change, none in what people read."""

import ast
from pathlib import Path

import pytest

from benchmarks.mutation.mutants import mutants_of
from benchmarks.mutation.nearest import nearest_tests

ROOT = Path(__file__).parents[2]
SOURCE = '''"""Text of 3 words."""

KEYS = ("steps", "tokens")


def rest(path: str | None, number: int = 2) -> list[int]:
    """All but the first."""
    if not path or number <= 1:
        raise ValueError(f"{number + 1} is too few")
    one, other = number - 1, [number, True]
    return sorted(other, key=abs)
'''


@pytest.fixture
def changes(tmp_path) -> list[str]:
    file = tmp_path / "source.py"
    file.write_text(SOURCE)
    mutants = mutants_of(file)
    for mutant in mutants:
        ast.parse(mutant.source)
        assert mutant.source != SOURCE and mutant.source.count("\n") == SOURCE.count("\n")
    return [f"{mutant.line}: {mutant.change}" for mutant in mutants]


def test_each_kind_of_change(changes):
    expected = {
        "3: (\"steps\", \"tokens\")  =>  ('tokens',)", "3: (\"steps\", \"tokens\")  =>  ('steps',)", "6: 2  =>  3",
        "8: not path or number <= 1  =>  not path and number <= 1", "8: not path or number <= 1  =>  number <= 1",
        "8: not path or number <= 1  =>  not path", "8: not path  =>  path", "8: number <= 1  =>  number < 1",
        "8: 1  =>  2",
        "10: number - 1  =>  number + 1", "10: 1  =>  2", "10: [number, True]  =>  [True]", "10: True  =>  False",
        "10: [number, True]  =>  [number]", "11: return sorted(other, key=abs)  =>  return None",
        "11: sorted(other, key=abs)  =>  sorted(other)",
    }  # fmt: skip
    assert set(changes) == expected


def test_the_namesake_is_asked_first_and_no_test_twice():
    tests = nearest_tests(ROOT / "common" / "fence.py", ROOT)
    assert tests[0] == "tests/common/test_fence.py" and len(tests) == len(set(tests)) == 5
    assert all((ROOT / test).is_file() for test in tests)
