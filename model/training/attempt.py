"""One attempt of a run: phase after phase from where it stands, to the end or to a stop that was asked for."""

import gc
from collections.abc import Callable
from contextlib import suppress

from common.collection import settle
from common.progress import say
from conf.schema import Config
from model.megatron import ranks
from model.megatron.startup import World
from model.training.assemble import Start, build_loop
from model.training.course import Branch, Course
from model.training.data import Data
from model.training.loop import BORDER
from model.training.run import Run
from model.training.saves import Checkpoint
from model.training.state import TrainState


def train(
    config: Config, run: Run, world: World, data: Data, course: Course, latest: Checkpoint | None, branch: Branch | None,
    begin: Callable[[TrainState], None], probe: Callable[[Checkpoint], None] | None = None,
) -> tuple[str, TrainState]:  # fmt: skip
    """Train; returns how it ended (`Loop.train`) and where it stands. ``begin(state)`` is called once net and optimizer
    are ready.

    Every phase ends with a checkpoint, and the next one is built from it, in the same way whether or not the process is a new
    one: what a phase changes (length, RoPE base, frozen parts, moments) cannot leak from one into the next. An attempt
    that fails is told to the run."""
    start, status, state = Start.of(latest, branch), BORDER, None
    for phase in course.phases_after(latest.step if latest else course.start):
        loop = build_loop(config, run, world, data, course, phase, start, probe)
        if state is None:
            begin(loop.state)
        elif ranks.is_first():
            say(f"phase {phase.name}: steps {phase.first + 1} to {phase.last}")
        state = loop.state
        settle()
        try:
            status = loop.train()
        except BaseException:
            if ranks.is_first():
                with suppress(OSError):  # the disk that ended the attempt, mostly, takes no word of it either
                    run.end("failed", state.step)
            raise
        if status != BORDER:
            break
        start = Start(loop.checkpoint.folder)
        del loop
        gc.collect()
    if ranks.is_first():
        run.end(status, state.step)
    return status, state
