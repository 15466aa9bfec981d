"""What transformers' configuration classes make of a config.json, without the seconds that importing them takes: keys
that it leaves out, and the spellings of older versions. Held to the classes themselves by a test."""

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from common.errors import UserError
from common.progress import say
from conf.families import DecoderFamily, Family, LayerKinds, family_in
from conf.families.record import GLOBAL, LOCAL

MOST_LAYERS, LARGEST = 10_000, 2**31 - 1
"""Bounds of a size, so that a slip of the pen is a sentence and no hour of building lists."""
_LAYERS = ("num_hidden_layers", "global_attn_every_n_layers", "sliding_window_pattern")
_NULLABLE = ("num_key_value_heads", "head_dim", "sliding_window", "partial_rotary_factor")
_SHARES = (
    "attention_dropout", "embedding_dropout", "mlp_dropout", "resid_pdrop", "embd_pdrop", "partial_rotary_factor",
    "attention_out_dropout",
)  # fmt: skip
_FROM_ZERO = ("initializer_range",)
LARGEST_FLOAT = 1e30
_SCALED = ("llama3", "yarn")
_ORIGINAL = "original_max_position_embeddings"
_OF_ROTATIONS = (
    "rope_theta", "partial_rotary_factor", "factor", _ORIGINAL, "low_freq_factor", "high_freq_factor", "beta_fast",
    "beta_slow", "attention_factor",
)  # fmt: skip
"""Numbers that rotations of the kinds that are read depend on."""


def filled(written: dict[str, Any], file: Path) -> SimpleNamespace:
    """What ``written``, the content of ``file``, says of a family that is known here, with its class's defaults.

    `rope_parameters` holds the rotations, whatever their spelling; by kind of layer where there are two. Raises
    UserError for a value that is none of its key."""
    family = family_in(written)
    defaults, kinds = family.defaults, family.kinds
    values = {**defaults, **{key: value for key, value in written.items() if key in defaults}}
    if "head_dim" in written and written["head_dim"] is None and defaults["head_dim"] is not None:
        raise _wrong(family, "head_dim", None, file)
    one_base = kinds is not None and kinds.null_is_global and values[kinds.theta_local] is None
    if one_base:
        values[kinds.theta_local] = values[kinds.theta_global]
    for key, value in values.items():
        _check(family, key, value, defaults[key], file)
    if "attention_out_dropout" in written:  # ours, beside a ModernBERT's keys
        _check(family, "attention_out_dropout", written["attention_out_dropout"], 0.0, file)
    theirs = SimpleNamespace(**values)
    if theirs.layer_types is not None and len(theirs.layer_types) != theirs.num_hidden_layers:
        raise _wrong(family, "layer_types", f"{len(theirs.layer_types)} of {theirs.num_hidden_layers} layers", file)
    if isinstance(family, DecoderFamily):
        theirs.num_key_value_heads = theirs.num_key_value_heads or theirs.num_attention_heads
        theirs.head_dim = theirs.head_dim or theirs.hidden_size // theirs.num_attention_heads
    if kinds is None:
        theirs.rope_parameters = _rotations(family, theirs, written.get(_ORIGINAL), file)
        return theirs
    nested = values["rope_parameters"] or {}
    every = getattr(theirs, kinds.every)
    theirs.layer_types = theirs.layer_types or kinds.types(theirs.num_hidden_layers, every)
    theirs.rope_parameters = {kind: _of_kind(family, theirs, kind, written, file) for kind in (GLOBAL, LOCAL)}
    if one_base and "rope_theta" not in (nested.get(LOCAL) or {}):
        _tell_one_base(file, getattr(theirs, kinds.theta_global))
    return theirs


def layers_period(kinds: LayerKinds, theirs: SimpleNamespace, file: Path) -> int:
    """Period of the global layers of a filled configuration. Raises UserError where they have none."""
    types = theirs.layer_types
    stated = getattr(theirs, kinds.every)
    first = next(
        (layer + kinds.last for layer, kind in enumerate(types) if layer + kinds.last and kind == GLOBAL), None
    )
    period = first or (stated if types == kinds.types(len(types), stated) else len(types) + kinds.last)
    if types != kinds.types(len(types), period):
        layers = "n - 1, 2n - 1, ..." if kinds.last else "0, n, 2n, ..."
        raise UserError(
            f"{file} has layer_types whose global layers are not the layers {layers}; only those can be read"
        )
    return period


@cache
def _tell_one_base(file: Path, theta: float) -> None:
    """Once, however often the file is read."""
    say(
        f"{file} has local_rope_theta=null: local layers get the base of the global ones, {theta:g}, as in transformers"
        " 4 (5 cannot run it)"
    )


def _check(family: Family, key: str, value: Any, default: Any, file: Path) -> None:
    """Raise UserError where ``value`` is not of the type of ``default``."""
    if value is None and (key in _NULLABLE or default is None):
        return
    if key in ("rope_parameters", "rope_scaling"):
        right = isinstance(value, dict)
    elif key == "layer_types":
        right = isinstance(value, list) and all(isinstance(kind, str) for kind in value)
    elif isinstance(default, str | bool):
        right = isinstance(value, type(default))
    elif isinstance(default, int) or key in ("num_key_value_heads", "head_dim"):
        most = MOST_LAYERS if key in _LAYERS else LARGEST
        right = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most
    else:
        right = _in_range(key, value)
    if not right:
        raise _wrong(family, key, value, file)


def _in_range(key: str, value: Any) -> bool:
    """Whether ``value`` is a number that ``key`` may have: a share from 0 to 1, a deviation from 0 on, anything else
    above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_FLOAT:
        return False
    return 0 <= value <= 1 if key in _SHARES else value >= 0 if key in _FROM_ZERO else value > 0


def _wrong(family: Family, key: str, value: Any, file: Path) -> UserError:
    return UserError(f"{file} is not a configuration of {family.name} ({key}={value!r}); write it again")


def _of_kind(family: Family, theirs: SimpleNamespace, kind: str, written: dict[str, Any], file: Path) -> dict[str, Any]:
    """Rotations of one kind of layers."""
    kinds = family.kinds
    stated = (theirs.rope_parameters or {}).get(kind) or {}
    if not isinstance(stated, dict):
        raise _wrong(family, f"rope_parameters.{kind}", stated, file)
    scaled = (theirs.rope_scaling or {}) if kind == GLOBAL or kinds.scales_local else {}
    theta = getattr(theirs, kinds.theta_global if kind == GLOBAL else kinds.theta_local)
    return _completed(family, theirs, {**stated, **scaled}, theta, written.get(_ORIGINAL), file)


def _rotations(family: Family, theirs: SimpleNamespace, original: int | None, file: Path) -> dict[str, Any]:
    """Rotations of all layers; ``original``: length of the pre-training where it stands beside them, which comes
    first."""
    stated = dict(theirs.rope_scaling or theirs.rope_parameters or {})
    if nested := [key for key, value in stated.items() if isinstance(value, dict)]:
        raise UserError(
            f"{file} has rotations of its own for {nested[0]}; only rotations that all layers share can be read"
        )
    return _completed(family, theirs, stated, theirs.rope_theta, original, file)


def _completed(
    family: Family, theirs: SimpleNamespace, stated: dict[str, Any], theta: float, original: int | None, file: Path
) -> dict[str, Any]:
    """``stated`` rotations with what is left out. Raises UserError for a value in them that is none of its key; null is
    a key left out, but no base and no kind."""
    rotations = {"rope_theta": theta, "rope_type": stated.get("type", "default"), **stated}
    if getattr(theirs, "partial_rotary_factor", None) is not None:
        rotations.setdefault("partial_rotary_factor", theirs.partial_rotary_factor)
    if family.kinds is None and rotations["rope_type"] in _SCALED:
        rotations[_ORIGINAL] = original or rotations.get(_ORIGINAL) or theirs.max_position_embeddings
    if not isinstance(rotations["rope_type"], str):
        raise _wrong(family, "rope_type", rotations["rope_type"], file)
    for key in _OF_ROTATIONS:
        value = rotations.get(key)
        if not (_in_range(key, value) or (value is None and key != "rope_theta")):
            raise _wrong(family, f"{key} of its rotations", value, file)
    return rotations
