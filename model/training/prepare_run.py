"""Resolve a run before anything is built: its folder, its length, and the checkpoint to resume from."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from common.environment import read_ranks
from common.errors import UserError
from common.progress import say
from conf.schema import Config
from model.megatron.startup import computes_bf16
from model.training.checkpoints.checkpoints import Checkpoint, latest_valid, list_checkpoints
from model.training.run.config import show
from model.training.run.continuation import check_extension, find_branch
from model.training.run.folder import Run, open_run
from model.training.run.open_model import check_start
from model.training.timeline.phase import Phase
from model.training.timeline.timeline import Branch, Timeline, build_timeline

Validate = Callable[[Config, Run, Sequence[Phase]], None]
"""Raises UserError where a run cannot begin or go on; given a configuration with nothing left open, and its phases."""


class PreparedRun(NamedTuple):
    """See `prepare_run`."""

    run: Run
    config: Config
    """The configuration, with nothing left open."""
    branch: Branch | None
    timeline: Timeline
    latest: Checkpoint | None
    """Where it goes on; None at the start."""


def prepare_run(config: Config, validate: Validate) -> PreparedRun:
    """Resolve a run from its folder: its length, and the checkpoint to resume from. Raises UserError for what does not
    fit it; writes nothing. One rank does this for all.

    ``validate`` is asked before checkpoints are read, which takes a while."""
    run = open_run(config)
    parallel = run.settled(config).parallel.on(computes_bf16())
    run.config["parallel"]["precision"] = parallel.precision
    config = run.settled(config)
    branch = find_branch(config, run)
    size = read_ranks().size
    timeline = build_timeline(config, branch, config.parallel.data_ranks(size), run.manifest.get("warmup"))
    check_extension(run, config, timeline, branch)
    validate(config, run, timeline.phases)
    latest = latest_valid(run.folder)
    if latest is None and list_checkpoints(run.folder):  # all of them are damaged: it begins anew
        check_start(config)
    if run.replaced:
        say(f"{run.folder} has no checkpoint, so it begins anew with another configuration ({show(run.replaced)})")
    before = run.manifest.get("attempts", [{}])[-1].get("ranks", size)
    relaid = run.relaid | ({"ranks": (before, size)} if before != size else {})
    if latest and relaid:
        say(
            f"another layout than before ({show(relaid)}): the same samples, and losses that agree to rounding, not bit"
            " for bit"
        )
    return PreparedRun(run, config, branch, timeline, latest)


def take_over(run: Run, latest: Checkpoint | None) -> tuple[Run, Checkpoint | None]:
    """Claim the run folder, once everything fits, and look again where it goes on: an attempt that still lived may have
    saved meanwhile.

    Raises UserError where it saved what this one does not go on from."""
    run.claim()
    checkpoints = list_checkpoints(run.folder)
    unchanged = latest and checkpoints and checkpoints[-1].step == latest.step
    latest = latest if unchanged else latest_valid(run.folder)
    if run.replaced and latest:
        raise UserError(
            f"{run.folder} has got a checkpoint of another configuration by now ({show(run.replaced)}); choose another"
            " run=<name>"
        )
    return run, latest
