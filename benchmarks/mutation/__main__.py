"""Mutation testing: the share of small changes of the source that the nearest tests notice.

    python -m benchmarks.mutation common slurm model/training --sample 200 --seed 1

A random sample of the mutants of the packages named (`mutants.py`), one at a time, in a copy of the tree. For each, the
test files nearest to the changed file (`nearest.py`) run one after the other, without those marked slurm or long, until
one fails: the mutant is dead. Each run is a fork of a process that has torch, Megatron-Core and transformers imported.
Prints a line a mutant and writes them all, with the tests asked, to the file of --out; one that lives is not always
a gap: read it.

mutmut 3 mutates functions alone, so no table of a module (keys that may change, states in their order), and cosmic-ray
starts an interpreter a mutant, 8 seconds of imports for any test of `model`; hence this one.
"""

import argparse
import contextlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.mutation.mutants import Mutant, mutants_of
from benchmarks.mutation.nearest import nearest_tests
from tests.zygote import PRELOADED

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("benchmarks", "common", "conf", "data_prep", "jobs", "model", "slurm", "tests")
TIMEOUT = 300
_MTIME = [int(time.time())]


def main() -> None:
    """Sample, run, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", help="packages or files")
    parser.add_argument("--sample", type=int, default=200, help="mutants, of all those that there are")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--line", type=int, help="all mutants of one line of the one file named, instead of a sample")
    parser.add_argument("--out", type=Path, default=Path("mutants.json"))
    given = parser.parse_args()
    files = [
        file
        for path in given.paths
        for file in ([ROOT / path] if path.endswith(".py") else sorted((ROOT / path).rglob("*.py")))
    ]
    everything = [mutant for file in files for mutant in mutants_of(file) if given.line in (None, mutant.line)]
    draw = random.Random(given.seed)
    chosen = everything if given.line else draw.sample(everything, min(given.sample, len(everything)))
    print(f"{len(everything)} mutants in {len(files)} files, {len(chosen)} of them now", flush=True)
    for name in PRELOADED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        print_shares(run_all(chosen, copy_tree(Path(folder)), given.out))


def copy_tree(folder: Path) -> Path:
    """A copy of the tree to change."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in [*ROOT.glob("*.*"), ROOT / "Makefile"]:
        if file.is_file():
            shutil.copy2(file, folder)
    return folder


def run_all(chosen: list[Mutant], folder: Path, out: Path) -> list[dict]:
    """Each mutant against its tests; the records, written as they come."""
    healthy: dict[str, bool] = {}
    records = []
    for number, mutant in enumerate(chosen, 1):
        name = mutant.file.relative_to(ROOT)
        tests = nearest_tests(mutant.file, ROOT)
        for test in tests:
            if test not in healthy:
                healthy[test] = passes(folder, test)
        begun, killer = time.monotonic(), ""
        put(folder / name, mutant.source)
        for test in (test for test in tests if healthy[test]):
            if not passes(folder, test):
                killer = test
                break
        put(folder / name, mutant.file.read_text(encoding="utf-8"))
        asked = [test for test in tests if healthy[test]]
        records.append(
            {"file": str(name), "line": mutant.line, "change": mutant.change, "killer": killer, "asked": asked}
        )
        fate = f"{number:4d} {time.monotonic() - begun:5.0f} s  {'dead ' if killer else 'ALIVE'}"
        print(f"{fate}  {name}:{mutant.line}  {mutant.change}", flush=True)
        out.write_text(json.dumps(records, indent=1))
    return records


def put(file: Path, source: str) -> None:
    """Write a source file, with a time of its own, by which Python knows that what it compiled before is stale."""
    file.write_text(source, encoding="utf-8")
    _MTIME[0] += 1
    os.utime(file, (_MTIME[0], _MTIME[0]))


def passes(folder: Path, test: str) -> bool:
    """Whether the tests of a file pass in ``folder``; too long is a failure, no test to run is none."""
    child = os.fork()
    if not child:
        os.setsid()
        run_tests(folder, test)
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) in (0, 5)
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def run_tests(folder: Path, test: str) -> None:
    """Body of the fork: pytest in the copy, which imports what lies there. Does not return."""
    import pytest

    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder)
    for name in [name for name in sys.modules if name.split(".")[0] in COPIED]:
        del sys.modules[name]
    sys.path[:] = [str(folder), *(entry for entry in sys.path[1:] if entry not in ("", str(ROOT)))]
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not slurm and not long", test]))


def print_shares(records: list[dict]) -> None:
    """The share of dead mutants by package, and together."""
    packages = sorted({record["file"].rpartition("/")[0].split("/")[0] for record in records})
    for package in [*packages, ""]:
        mine = [record for record in records if record["file"].startswith(package)]
        dead = sum(bool(record["killer"]) for record in mine)
        print(f"{package or 'all'}: {dead} of {len(mine)} dead, {dead / max(len(mine), 1):.0%}")


if __name__ == "__main__":
    main()
