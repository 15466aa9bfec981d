"""What can be refused before a job is queued, without the imports of the job itself."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from common.artefacts import SCHEME
from common.errors import UserError
from common.progress import say
from conf.schema import Config, ParallelConfig
from jobs.registry import JOBS
from jobs.validate.occupied import refuse_occupied
from slurm.script import ranks_per_node, refuse_path

_CHECKED: set[tuple[str, str]] = set()
"""Weights, and the net that they fit, that this process has looked at."""
SECRETS = ("TOKEN", "SECRET", "PASSWORD", "API_KEY", "ACCESS_KEY", "CREDENTIAL")


def refuse(job: str, config: Config, made: Sequence[str] = ()) -> None:
    """Raise UserError for the first thing that would fail on a node. ``made``: folders that jobs before this one will
    have made by then."""
    for name in config.cluster.environment:
        if any(word in name.upper() for word in SECRETS):
            raise UserError(
                f"cluster.environment.{name} would be written into the frozen configuration; export it in the shell"
                " that submits instead"
            )
    refuse_path("runs_dir", config.runs_dir, ":")  # the code lies there, in PYTHONPATH
    refuse_path("run_dir", config.run_dir)
    _refuse_container(config)
    _refuse_missing(job, config, made)
    if job == "train":
        _refuse_run(config, made)


def _refuse_run(config: Config, made: Sequence[str]) -> None:
    """What cannot be trained, and another configuration in the same run folder; a warning where its checkpoints take longer
    than SLURM's signal leaves."""
    from model.open_model import check_start, close_model
    from model.shapes import check_ranks
    from model.training.checks import check_training
    from model.training.course import build_course, find_branch
    from model.training.run import open_run
    from model.training.saves import lead_warning, list_checkpoints
    from model.training.tokenizers import check_tokenizers

    config = close_model(config, ahead=True)
    run = open_run(config)
    ranks = config.cluster.nodes * ranks_per_node(config.cluster)
    check_ranks(config.parallel, ranks)
    phases = build_course(config, find_branch(config, run), config.parallel.data_ranks(ranks)).phases
    check_training(config, phases)
    checkpoints = list_checkpoints(run.folder)
    if not checkpoints or run.replaced:
        refuse_occupied(config, run)
    check_tokenizers(config, phases, bool(checkpoints) and not run.replaced, lambda path: _is_coming(path, made))
    if not checkpoints or run.replaced:
        check_start(config)
        _check_weights(config, made)
    if checkpoints and (warning := lead_warning(checkpoints[-1], config.cluster)):
        say(warning)


def _check_weights(config: Config, made: Sequence[str]) -> None:
    """Weights to start from, once for all points that start from them."""
    from model.hf.folder import check_weights

    start, known = config.train.init_from, (config.train.init_from, repr(config.model))
    if start and not _is_coming(start, made) and known not in _CHECKED:
        check_weights(config.model, start)
        _CHECKED.add(known)


def refuse_plan(config: Config) -> None:
    """For `plan=true`: raise UserError for what does not fit together, whatever the layout, of what is there
    already."""
    from model.open_model import check_start
    from model.training.checks import check_training
    from model.training.course import build_course, find_branch
    from model.training.run import open_run
    from model.training.saves import list_checkpoints
    from model.training.tokenizers import check_tokenizers

    for key in ("init_from", "branch_from"):
        place = getattr(config.train, key)
        if place and not place.startswith(SCHEME) and not Path(place).exists():
            raise UserError(f"train.{key}: {place} does not exist; make it first, or name another with train.{key}")
    config = dataclasses.replace(config, parallel=ParallelConfig())
    begun = bool(list_checkpoints(config.run_dir))
    branch = None if begun else find_branch(config, open_run(config))
    phases = build_course(config, branch).phases
    check_training(config, phases)
    check_tokenizers(config, phases, begun)
    if not begun:
        check_start(config)


def refuse_long_texts(config: Config) -> None:
    """Raise UserError where the probe reads longer texts than the net of the same configuration can."""
    from model.open_model import close_model

    longest = close_model(config, ahead=True).model.max_positions
    for key in ("query_tokens", "train_document_tokens", "document_tokens"):
        length = getattr(config.probe, key)
        if length > longest:
            raise UserError(
                f"probe.{key}={length} exceeds model.max_positions={longest}, so every probe would fail; lower it"
            )


def _refuse_missing(job: str, config: Config, made: Sequence[str]) -> None:
    """Inputs by path; what lies in ``made`` is still to come."""
    for key, path in JOBS[job].needs(config).items():
        if Path(path).exists() or _is_coming(path, made):
            continue
        raise UserError(
            f"{key}: {path} does not exist, so jobs.{job} would fail; make it first, or name another with {key}"
        )


def _is_coming(path: str, made: Sequence[str]) -> bool:
    """Whether ``path`` lies in one of the folders ``made`` by jobs before this one."""
    return any(Path(path).absolute().is_relative_to(Path(folder).absolute()) for folder in made)


def _refuse_container(config: Config) -> None:
    container = config.cluster.container
    if container.kind != "none" and not container.image:
        raise UserError(f"cluster.container.kind={container.kind} needs cluster.container.image")
    if container.kind == "apptainer" and not Path(container.image).exists():
        raise UserError(f"cluster.container.image: {container.image} does not exist; build it with apptainer build")
