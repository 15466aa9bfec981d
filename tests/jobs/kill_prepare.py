"""``kill_prepare.py INPUTS TOKENIZER TOKENS FIRST STEP``: kill jobs.prepare before its FIRST, FIRST + STEP, ... step on
disk.

Each time from a copy of TOKENS.before, in a fork; then run it through in another fork and print the digests of what it
wrote."""

import hashlib
import shutil
import signal
import sys
from pathlib import Path

import awkward  # noqa: F401  (imported once, here, and not in every fork)
import gigatoken  # noqa: F401
from dying import die_before_step_on_disk, in_fork
from run_prepare import configured

import data_prep.tokens.publish  # noqa: F401
import data_prep.tokens.tokenise  # noqa: F401
from jobs import prepare

TOKENS = sys.argv[3]


def run_until(number: int) -> int:
    """Exit status of a fork that runs jobs.prepare and is killed before the ``number``-th step (0: never)."""

    def job() -> None:
        die_before_step_on_disk(number, TOKENS)
        config = configured()
        config.cluster.workers = 1
        prepare.run(config)

    return in_fork(job)


number = int(sys.argv[4])
while True:
    shutil.rmtree(TOKENS, ignore_errors=True)
    shutil.copytree(f"{TOKENS}.before", TOKENS)
    killed = run_until(number) == signal.SIGKILL
    assert run_until(0) == 0
    digests = [
        hashlib.sha256(Path(TOKENS, name).read_bytes()).hexdigest()
        for name in ("tokens.bin", "tokens.idx", "origins.npy")
    ]
    print("killed, then" if killed else "ran through", *digests, flush=True)
    if not killed:
        break
    number += int(sys.argv[5])
