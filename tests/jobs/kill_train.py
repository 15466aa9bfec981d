"""``kill_train.py SEED KILLS OVERRIDE...``: kill jobs.train KILLS times, then let it end.

Each attempt is a fork of this process, which has imported everything. In turn it is killed within a save, before a random step on disk,
and after a random time. Prints how each attempt ended.
"""

import os
import random
import signal
import sys
import threading
from pathlib import Path

import torch.utils.tensorboard  # noqa: F401  (imported once, here, and not in every fork)

import model.training.assemble  # noqa: F401
import model.training.outset  # noqa: F401
from jobs import train
from jobs.cli import compose, to_config

EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink")
CONFIG = to_config(compose("train", sys.argv[3:]))
RUN = Path(CONFIG.run_dir)


def die() -> None:
    """As a machine that loses its power: nothing is flushed, nothing cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_before_step_on_disk(number: int, where: str) -> None:
    """Die before the ``number``-th time that a path with ``where`` in it is opened for writing, made, renamed or removed."""
    count = 0

    def look(event: str, arguments: tuple) -> None:
        nonlocal count
        opened = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wxa")
        if (opened or event in EVENTS) and where in str(arguments[0]):
            count += 1
            if count == number:
                die()

    sys.addaudithook(look)


def attempt(arm) -> int:
    """Exit status of a fork that trains after ``arm()``."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    arm()
    status = 1
    try:
        train.run(CONFIG)
        status = 0
    finally:
        os._exit(status)


def arm_randomly(number: int, draw: random.Random):
    """How attempt ``number`` dies."""
    if number % 3 == 2:
        seconds = draw.uniform(0.2, 1.2)
        return lambda: threading.Timer(seconds, die).start()
    at, where = (draw.randint(1, 30), f"{RUN}/checkpoints/.aside-step") if number % 3 == 0 else (draw.randint(1, 90), str(RUN))
    return lambda: die_before_step_on_disk(at, where)


draw = random.Random(int(sys.argv[1]))
for number in range(int(sys.argv[2])):
    killed = attempt(arm_randomly(number, draw)) == signal.SIGKILL
    asides = sorted(path.name.split("-")[1] for path in RUN.rglob(".aside-*"))
    print("killed" if killed else "ended", f"within {asides[-1]}" if asides else "between steps on disk", flush=True)
print("last", attempt(lambda: None))
