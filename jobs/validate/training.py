"""What keeps a training from beginning or going on: one order for its start, its dry run, its submission, and its
estimate.

First what the configuration alone shows, then what the run folder, the tokens, the tokenizers and the weights show.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from common.artefacts import SCHEME
from common.errors import UserError
from common.progress import say
from conf.schema import Config, ParallelConfig
from jobs.validate.occupied import refuse_occupied
from jobs.validate.probes import check_probe_files, check_probes
from jobs.validate.trainable import check_trainable
from model.hf.folder import check_weights
from model.shapes import check_ranks
from model.training.checkpoints.checkpoints import lead_warning, list_checkpoints
from model.training.run.continuation import find_branch
from model.training.run.folder import Run, open_run
from model.training.run.open_model import check_start, close_model, is_open
from model.training.run.tokenizers import check_tokenizers
from model.training.timeline.phase import Phase
from model.training.timeline.timeline import build_timeline
from slurm.script import ranks_per_node

Coming = Callable[[str], bool]
_CHECKED: set[tuple[str, str]] = set()
"""Weights, and the net that they fit, that this process has looked at."""


def nothing_coming(path: str) -> bool:
    """No job before this one makes anything."""
    return False


def validate_training(config: Config, run: Run, phases: Sequence[Phase], coming: Coming = nothing_coming) -> None:
    """Raise UserError for the first thing that does not fit; ``config`` has nothing left open."""
    begun = bool(list_checkpoints(run.folder)) and not run.replaced
    check_trainable(config, phases)
    check_probes(config)
    if not begun:
        refuse_occupied(config, run)
    check_tokenizers(config, phases, begun, coming)
    if not begun:
        check_start(config)
    check_probe_files(config, coming)


def validate_ahead(config: Config, coming: Coming, ranks: int | None) -> None:
    """Raise UserError for what a training would refuse that is to start later, on ``ranks`` ranks (None: on those that
    it asks SLURM for).

    Warns where its checkpoints take longer than SLURM's signal leaves."""
    if _is_unknown(config, coming):
        return
    config = close_model(config, ahead=True)
    run = open_run(config)
    queued = ranks is None
    ranks = config.cluster.nodes * ranks_per_node(config.cluster) if queued else ranks
    check_ranks(config.parallel, ranks)
    phases = build_timeline(config, find_branch(config, run), config.parallel.data_ranks(ranks)).phases
    validate_training(config, run, phases, coming)
    checkpoints = list_checkpoints(run.folder)
    if not checkpoints or run.replaced:
        _check_weights(config, coming)
    if queued and checkpoints and (warning := lead_warning(checkpoints[-1], config.cluster)):
        say(warning)


def _is_unknown(config: Config, coming: Coming) -> bool:
    """Whether the net, or the place in the data, is that of a run that a job before this one is still to make."""
    train = config.train
    return bool(train.branch_from and coming(train.branch_from)) or bool(
        train.init_from and coming(train.init_from) and is_open(config)
    )


def validate_estimate(config: Config) -> None:
    """For `plan=true`: raise UserError for what does not fit together, whatever the layout, of what is there
    already."""
    for key in ("init_from", "branch_from"):
        place = getattr(config.train, key)
        if place and not place.startswith(SCHEME) and not Path(place).exists():
            raise UserError(f"train.{key}: {place} does not exist; make it first, or name another with train.{key}")
    config = dataclasses.replace(config, parallel=ParallelConfig())
    begun = bool(list_checkpoints(config.run_dir))
    branch = None if begun else find_branch(config, open_run(config))
    phases = build_timeline(config, branch).phases
    check_trainable(config, phases)
    check_tokenizers(config, phases, begun)
    if not begun:
        check_start(config)


def _check_weights(config: Config, coming: Coming) -> None:
    """Weights to start from, once for all points that start from them."""
    start = config.train.init_from
    if start and not coming(start) and (looked_at := (start, repr(config.model))) not in _CHECKED:
        check_weights(config.model, start)
        _CHECKED.add(looked_at)
