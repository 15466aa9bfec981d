"""One attempt of a run: phase after phase from where it stands, to the end or to a stop that was asked for."""

import dataclasses
import gc
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from common.collection import settle
from common.progress import say
from model.megatron import ranks
from model.megatron.startup import world
from model.training.assemble import Start, build_loop
from model.training.checkpoints.checkpoints import Checkpoint
from model.training.checkpoints.state import TrainState
from model.training.context import Training
from model.training.loop import BOUNDARY
from model.training.remarks import remarks


def begin_attempt(training: Training, state: TrainState, drafts: ExitStack) -> None:
    """Net and optimizer are ready: from here on the attempt counts. Rank 0 puts ``drafts`` in place, writes the run's
    manifest, and says what a person should know."""
    if not ranks.is_first():
        return
    config, run, timeline, place = training.config, training.run, training.timeline, world()
    fields: dict[str, Any] = {"point": config.point} if config.point else {}
    if training.branch:
        fields["branch"] = dataclasses.asdict(training.branch)
    if timeline.warmup is not None:
        fields["warmup"] = run.manifest.get("warmup", timeline.warmup)
    run.begin(state.step, place.size, drafts, inputs=training.data.inputs, plan=training.data.digests(), **fields)
    where = f"{place.size} x {place.device.type}, {config.parallel.precision}"
    say(f"{run.folder}: attempt {run.attempt}, step {state.step} to {timeline.total}, {where}")
    for remark in remarks(training):
        say(remark)


def train(
    training: Training, begin: Callable[[TrainState], None], probe: Callable[[Checkpoint], None] | None = None
) -> tuple[str, TrainState]:
    """Train; returns how it ended (`Loop.train`) and where it stands. ``begin(state)`` is called once net and optimizer
    are ready; ``probe``: see the callback of that name.

    Every phase ends with a checkpoint, and the next one is built from it, in the same way whether or not the process is
    a new one: what a phase changes (length, RoPE base, frozen parts, moments) cannot leak from one into the next. An
    attempt that fails is told to the run."""
    run, start, status, state = training.run, Start.of(training), BOUNDARY, None
    made = training.latest.step if training.latest else training.timeline.start
    for phase in training.timeline.phases_after(made):
        loop = build_loop(training, phase, start, probe)
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
        if status != BOUNDARY:
            break
        start = Start(loop.checkpoint.folder)
        del loop
        gc.collect()
    if ranks.is_first():
        run.end(status, state.step)
    return status, state
