"""What cannot be trained, seen from the configuration alone: before a job is queued, and again before anything is
built."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from conf.schema import Config, DecoderConfig
from conf.schema.kinds import names
from conf.schema.objective import OBJECTIVES
from model.shapes import check_encoder, check_shape
from model.training.callbacks.tracking.tracker import check_tracking
from model.training.timeline.phase import MAIN, Phase


def check_trainable(config: Config, phases: Sequence[Phase]) -> None:
    """Raise UserError for the first thing that does not fit: objective, layout, lengths, text that is too little, and a
    tracker that is not installed."""
    check_tracking(config)
    decoder = isinstance(config.model, DecoderConfig)
    if not isinstance(config.model, config.objective.nets):
        fitting = next(names(kind)[0] for kind in OBJECTIVES if isinstance(config.model, kind.nets))
        raise UserError(
            f"objective={config.objective.kind} does not fit model.architecture={config.model.architecture}; set"
            f" objective={fitting}"
        )
    if decoder:
        check_shape(config.model, config.parallel)
        if config.model.lora.rank and not (config.train.init_from or config.train.branch_from):
            raise UserError(
                f"model.lora.rank={config.model.lora.rank} adapts a net that has been trained; name it in"
                " train.init_from"
            )
    else:
        check_encoder(config.model, config.parallel)
    for phase in phases:
        _check_length(config, phase)
        _check_supply(config, phase)
    if config.train.init_from and config.train.branch_from:
        raise UserError(
            "train.init_from begins anew with the weights of a model, train.branch_from goes on from a checkpoint; set"
            " one of"
            " them"
        )


def _check_length(config: Config, phase: Phase) -> None:
    length, limit = phase.train.seq_length, config.model.max_positions
    if length > limit:
        key = "train" if phase.name == MAIN or not phase.config.seq_length else f"phases.{phase.name}"
        raise UserError(f"{key}.seq_length={length} exceeds model.max_positions={limit}; change one of them")


def _check_supply(config: Config, phase: Phase) -> None:
    """Compare the budget of a phase with its text, where that has been prepared already."""
    file = Path(phase.data) / manifests.NAME
    if phase.name == MAIN or not file.is_file():
        return
    known = manifests.read(file.parent)
    held = known.get("tokens", 0)
    wanted, limit = phase.ramp.tokens(phase.steps), max(1.0, config.mixture.max_repeats)
    if wanted > held * limit + _longest_documents(known):
        raise UserError(
            f"phases.{phase.name} asks for {wanted:,} tokens, and {phase.data} holds {held:,}:"
            f" {wanted / max(held, 1):.1f} readings, where mixture.max_repeats={config.mixture.max_repeats:g}; lower"
            f" phases.{phase.name}.tokens or budget, or prepare more text"
        )


def _longest_documents(tokens: dict[str, Any]) -> int:
    """At least the longest document of each source of a mixture: by so much a phase may miss its budget, since it takes
    whole ones."""
    counted = tokens.get("mixture", {}).get("lengths", {}).values()  # documents by the power of two below their length
    return sum(1 << (1 + max((octave for octave, count in enumerate(row) if count), default=-1)) for row in counted)
