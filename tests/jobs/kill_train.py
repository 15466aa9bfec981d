"""``kill_train.py SEED KILLS OVERRIDE...``: kill jobs.train KILLS times, then let it end.

Each attempt is a fork of this process, which has imported everything. In turn it is killed within a checkpoint, before
a random step on disk, and after a random time. Prints how each attempt ended."""

import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import torch.utils.tensorboard  # noqa: F401  (imported once, here, and not in every fork)
from dying import die, die_before_step_on_disk, in_fork

import model.training.assemble  # noqa: F401
import model.training.prepare_run  # noqa: F401
from jobs import train
from jobs.launch.compose import compose, spelled_out, to_config

CONFIG = to_config(compose("train", [spelled_out(one) for one in sys.argv[3:]]))
RUN = Path(CONFIG.run_dir)


def attempt(arm: Callable[[], None]) -> int:
    """Exit status of a fork that trains after ``arm()``."""

    def job() -> None:
        arm()
        train.run(CONFIG)

    return in_fork(job)


def arm_randomly(number: int, draw: random.Random):
    """How attempt ``number`` dies."""
    if number % 3 == 2:
        seconds = draw.uniform(0.2, 1.2)
        return lambda: threading.Timer(seconds, die).start()
    at, where = (
        (draw.randint(1, 30), f"{RUN}/checkpoints/.aside-step") if number % 3 == 0 else (draw.randint(1, 90), str(RUN))
    )
    return lambda: die_before_step_on_disk(at, where)


draw = random.Random(int(sys.argv[1]))
for number in range(int(sys.argv[2])):
    killed = attempt(arm_randomly(number, draw)) == signal.SIGKILL
    asides = sorted(path.name.split("-")[1] for path in RUN.rglob(".aside-*"))
    print("killed" if killed else "ended", f"within {asides[-1]}" if asides else "between steps on disk", flush=True)
print("last", attempt(lambda: None))
