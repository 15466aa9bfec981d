"""Sizes of a net: what follows from them, and whether they fit together and fit a layout. Needs the configuration
alone: outside `model.nets`, which loads Megatron-Core, so that a submission can ask."""

import math

from common.errors import UserError
from conf.families import FAMILIES
from conf.schema import DecoderConfig, EncoderConfig, ParallelConfig
from model.projections import adapted

ROW_MULTIPLE = 128
"""Rows of the vocabulary are filled up to a multiple of this, whatever the layout, so that a checkpoint fits every
layout; matrix products like it too."""

_LEAST = {
    "vocab_size": 1, "num_layers": 1, "hidden_size": 1, "num_heads": 1, "num_kv_heads": 1, "head_width": 2,
    "ffn_size": 1,
    "max_positions": 1, "window": 0,
}  # fmt: skip


def padded_vocab(config: DecoderConfig) -> int:
    """Rows of the embedding table and of the head in memory. Those from `model.vocab_size` on stand for no token."""
    return -(-config.vocab_size // ROW_MULTIPLE) * ROW_MULTIPLE


def is_local(config: EncoderConfig | DecoderConfig, layer: int) -> bool:
    """Whether layer ``layer``, counted from 0, attends within the window while others see whole documents."""
    kinds = FAMILIES[config.architecture].kinds
    return bool(kinds and config.global_every and kinds.is_local(layer, config.global_every))


def rotated_width(config: DecoderConfig) -> int:
    """Components of a head that are rotated, from its first on."""
    return int(config.head_width * config.rope_share)


def check_shape(config: DecoderConfig, parallel: ParallelConfig) -> None:
    """Raise a UserError naming the key where `config` is no net, or cannot be laid out as `parallel` says."""
    _check_sizes(config)
    _check_rotation(config)
    _check_kinds(config)
    _check_layout(config, parallel)
    adapted(config)


def check_ranks(parallel: ParallelConfig, size: int) -> None:
    """Raise UserError where the layout does not divide the ``size`` ranks of a job."""
    layout = {axis: getattr(parallel, axis) for axis in ("tensor", "pipeline", "context")}
    if min(layout.values()) < 1 or size % math.prod(layout.values()):
        product = " x ".join(f"parallel.{axis}={parts}" for axis, parts in layout.items())
        raise UserError(
            f"{product} does not divide the {size} process(es) of this job; "
            "start a multiple of their product (torchrun --nproc-per-node, srun --ntasks) or lower them"
        )


def check_encoder(config: EncoderConfig, parallel: ParallelConfig) -> None:
    """Raise a UserError for sizes of an encoder that Megatron-Core would stumble over later."""
    for key, least in (("num_layers", 1), ("global_every", 1), ("local_window", 2)):
        if getattr(config, key) < least:
            raise UserError(f"model.{key}={getattr(config, key)} must be at least {least}; raise it")
    if config.hidden_size % (2 * config.num_heads):
        raise UserError(
            f"model.hidden_size={config.hidden_size} must be an even multiple of model.num_heads={config.num_heads};"
            " change one of them"
        )
    cuts = [(key, "tensor") for key in ("num_heads", "ffn_size", "vocab_size")] + [("num_layers", "pipeline")]
    for key, axis in cuts:
        size, parts = getattr(config, key), getattr(parallel, axis)
        if size % parts:
            raise UserError(f"model.{key}={size} must be a multiple of parallel.{axis}={parts}; change one of them")
    if parallel.context != 1:
        raise UserError(
            f"parallel.context={parallel.context} is for decoders, whose attention looks back; set parallel.context=1"
        )
    if parallel.sequence and parallel.tensor == 1:
        raise UserError(
            "parallel.sequence=true cuts over tensor-parallel ranks, and parallel.tensor=1 has one; raise it or leave"
            " it false"
        )


def _check_sizes(config: DecoderConfig) -> None:
    for key, least in _LEAST.items():
        if getattr(config, key) < least:
            raise UserError(f"model.{key}={getattr(config, key)} must be at least {least}; raise it")
    if config.num_heads % config.num_kv_heads:
        raise UserError(
            f"model.num_heads={config.num_heads} must be a multiple of model.num_kv_heads={config.num_kv_heads}; change"
            " one of them"
        )


def _check_rotation(config: DecoderConfig) -> None:
    width, scaling = rotated_width(config), config.rope_scaling
    if not 0 < config.rope_share <= 1 or width < 2 or width % 2:
        raise UserError(
            f"model.rope_share={config.rope_share:g} of model.head_width={config.head_width} rotates {width} components"
            " of a head, which must be an even number of them; change one of the two"
        )
    if scaling.kind == "none":
        return
    if scaling.factor < 1:
        raise UserError(
            f"model.rope_scaling.factor={scaling.factor:g} must be at least 1; raise it or set"
            " model.rope_scaling.kind=none"
        )
    if scaling.kind in ("llama3", "yarn") and scaling.original_max_positions < 1:
        raise UserError(
            f"model.rope_scaling.kind={scaling.kind} asks for the longest document of the pre-training; set "
            "model.rope_scaling.original_max_positions"
        )
    if scaling.kind == "llama3" and not 0 < scaling.low_freq_factor < scaling.high_freq_factor:
        raise UserError(
            f"model.rope_scaling.low_freq_factor={scaling.low_freq_factor:g} must be positive and below "
            f"model.rope_scaling.high_freq_factor={scaling.high_freq_factor:g}; change one of them"
        )
    if scaling.kind == "yarn" and not 0 < scaling.beta_slow < scaling.beta_fast:
        raise UserError(
            f"model.rope_scaling.beta_slow={scaling.beta_slow:g} must be positive and below "
            f"model.rope_scaling.beta_fast={scaling.beta_fast:g}; change one of them"
        )


def _check_kinds(config: DecoderConfig) -> None:
    """Raise a UserError for keys of local layers where there are none, and for local layers without a window."""
    has_kinds = FAMILIES[config.architecture].kinds is not None
    if config.global_every and not has_kinds:
        raise UserError(
            f"model.global_every={config.global_every} makes layers local, which {config.architecture} has none of; set"
            " it to 0"
        )
    if config.rope_theta_local and not config.global_every:
        raise UserError(
            f"model.rope_theta_local={config.rope_theta_local:g} is of local layers, and there are none; set it to 0"
            + (", or model.global_every" if has_kinds else "")
        )
    if config.global_every and not config.window:
        raise UserError(
            f"model.global_every={config.global_every} leaves the other layers a window, and model.window=0 is none; "
            "set model.window"
        )


def _check_layout(config: DecoderConfig, parallel: ParallelConfig) -> None:
    if config.num_kv_heads % parallel.tensor:
        raise UserError(
            f"model.num_kv_heads={config.num_kv_heads} must be a multiple of parallel.tensor={parallel.tensor}: each"
            " rank holds whole heads; change one of them"
        )
    cuts = [("ffn_size", config.ffn_size, "tensor"), ("num_layers", config.num_layers, "pipeline")]
    for key, size, axis in cuts:
        if size % getattr(parallel, axis):
            raise UserError(
                f"model.{key}={size} must be a multiple of parallel.{axis}={getattr(parallel, axis)}; change one of"
                " them"
            )
    if padded_vocab(config) % parallel.tensor:
        raise UserError(
            f"parallel.tensor={parallel.tensor} must divide the {padded_vocab(config)} rows of the vocabulary; take a"
            " power of two"
        )
    if parallel.sequence and parallel.tensor == 1:
        raise UserError(
            "parallel.sequence=true cuts over tensor-parallel ranks, and parallel.tensor=1 has one; raise it or leave"
            " it false"
        )
