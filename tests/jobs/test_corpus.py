"""`jobs.corpus` killed again and again, at steps on disk that nobody chose, ends with the bytes of an undisturbed
run."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data_prep.corpus.conftest import folder, planted, texts

__all__ = ["folder", "planted", "texts"]
SCRIPT = Path(__file__).with_name("kill_corpus.py")


def killed(folder: Path, first: int, step: int) -> tuple[int, list[str]]:
    """Number of kills, and the digests at the end."""
    arguments = [folder / "texts", folder / "evaluation.jsonl", folder / "corpus", first, step]
    done = subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    kills, *digests = done.stdout.splitlines()[-1].split()
    return int(kills), digests


@pytest.mark.timeout(400)
def test_killed_at_any_moment_it_ends_with_the_same_bytes(folder):
    undisturbed = killed(folder, 0, 0)
    assert undisturbed[0] == 0
    rng = random.Random()
    seed = rng.randrange(1000)
    rng.seed(seed)
    kills, digests = killed(folder, rng.randint(3, 12), rng.randint(3, 5))
    assert kills >= 8, f"seed {seed}"
    assert digests == undisturbed[1], f"seed {seed}"
