"""``kill_prepare.py INPUTS TOKENIZER TOKENS FIRST STEP``: kill jobs.prepare before its FIRST, FIRST + STEP, ... step on disk.

Each time from a copy of TOKENS.before, in a fork; then run it through in another fork and print the digests of what it wrote."""

import hashlib
import os
import shutil
import signal
import sys
from pathlib import Path

import awkward  # noqa: F401  (imported once, here, and not in every fork)
import gigatoken  # noqa: F401
from run_prepare import configured

import data_prep.publish  # noqa: F401
import data_prep.tokenise  # noqa: F401
from jobs import prepare

EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")
TOKENS = sys.argv[3]


def run_until(number: int) -> int:
    """Exit status of a fork that runs jobs.prepare and is killed before the ``number``-th step (0: never)."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    count = 0

    def count_steps(event: str, arguments: tuple) -> None:
        nonlocal count
        opened = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wxa")
        if (opened or event in EVENTS) and TOKENS in str(arguments[0]):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count_steps)
    config = configured()
    config.cluster.workers = 1
    prepare.run(config)
    os._exit(0)


number = int(sys.argv[4])
while True:
    shutil.rmtree(TOKENS, ignore_errors=True)
    shutil.copytree(f"{TOKENS}.before", TOKENS)
    killed = run_until(number) == signal.SIGKILL
    assert run_until(0) == 0
    digests = [hashlib.sha256(Path(TOKENS, name).read_bytes()).hexdigest() for name in ("tokens.bin", "tokens.idx")]
    print("killed, then" if killed else "ran through", *digests, flush=True)
    if not killed:
        break
    number += int(sys.argv[5])
