"""What is known before anything is built: the run, how long it is, and where it goes on."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from common.environment import read_ranks
from common.errors import UserError
from common.progress import say
from conf.schema import Config
from model.megatron.startup import computes_bf16
from model.open_model import check_start
from model.training.course import Branch, Course, build_course, check_extension, find_branch
from model.training.phase import Phase
from model.training.run import Run, open_run, show
from model.training.saves import Checkpoint, latest_valid, list_checkpoints

Validate = Callable[[Config, Run, Sequence[Phase]], None]
"""Raises UserError where a run cannot begin or go on; given a configuration with nothing left open, and its phases."""


class Outset(NamedTuple):
    """See `outset`."""

    run: Run
    config: Config
    """The configuration, with nothing left open."""
    branch: Branch | None
    course: Course
    latest: Checkpoint | None
    """Where it goes on; None at the start."""


def outset(config: Config, validate: Validate) -> Outset:
    """Read the run folder. Raises UserError for what does not fit it; writes nothing. One rank does this for all.

    ``validate`` is asked before checkpoints are read, which takes a while."""
    run = open_run(config)
    parallel = run.settled(config).parallel.on(computes_bf16())
    run.config["parallel"]["precision"] = parallel.precision
    config = run.settled(config)
    branch = find_branch(config, run)
    size = read_ranks().size
    course = build_course(config, branch, config.parallel.data_ranks(size), run.manifest.get("warmup"))
    check_extension(run, config, course, branch)
    validate(config, run, course.phases)
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
    return Outset(run, config, branch, course, latest)


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
