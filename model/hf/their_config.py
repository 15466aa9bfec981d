"""What transformers' configuration classes make of a config.json, without the seconds that importing them takes: keys
that it leaves out, and the spellings of older versions. Held to the classes themselves by a test."""

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from common.errors import UserError
from common.progress import say

GLOBAL, LOCAL = "full_attention", "sliding_attention"
"""Kinds of layers of a ModernBERT."""
_DECODER = {
    "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": None, "head_dim": None,
    "hidden_act": "silu", "initializer_range": 0.02, "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "layer_types": None,
    "rope_parameters": None, "rope_scaling": None, "rope_theta": 10_000.0, "partial_rotary_factor": None,
}  # fmt: skip
_QWEN = {
    "vocab_size": 151_936, "intermediate_size": 22_016, "num_key_value_heads": 32, "max_position_embeddings": 32_768,
    "use_sliding_window": False,
}  # fmt: skip
_DEFAULTS: dict[str, dict[str, Any]] = {
    "qwen3": _DECODER | _QWEN | {"head_dim": 128, "attention_bias": False},
    "qwen2": _DECODER | _QWEN,
    "llama": _DECODER | {
        "vocab_size": 32_000, "intermediate_size": 11_008, "max_position_embeddings": 2048, "attention_bias": False, "mlp_bias": False,
    },
    "mistral": _DECODER | {
        "vocab_size": 32_000, "intermediate_size": 14_336, "max_position_embeddings": 131_072, "num_key_value_heads": 8,
        "sliding_window": 4096,
    },
    "phi": _DECODER | {
        "vocab_size": 51_200, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24, "max_position_embeddings": 2048,
        "layer_norm_eps": 1e-5, "hidden_act": "gelu_new", "resid_pdrop": 0.0, "embd_pdrop": 0.0, "qk_layernorm": False,
        "partial_rotary_factor": 0.5,
    },
    "modernbert": {
        "vocab_size": 50_368, "hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22, "num_attention_heads": 12,
        "hidden_activation": "gelu", "max_position_embeddings": 8192, "initializer_range": 0.02, "norm_eps": 1e-5, "norm_bias": False,
        "attention_bias": False, "attention_dropout": 0.0, "layer_types": None, "global_attn_every_n_layers": 3, "rope_parameters": None,
        "rope_scaling": None, "global_rope_theta": 160_000.0, "local_rope_theta": 10_000.0, "local_attention": 128,
        "embedding_dropout": 0.0, "mlp_bias": False, "mlp_dropout": 0.0, "decoder_bias": True, "classifier_bias": False,
        "classifier_activation": "gelu", "tie_word_embeddings": True,
    },
}  # fmt: skip
MOST_LAYERS, LARGEST = 10_000, 2**31 - 1
"""Bounds of a size, so that a slip of the pen is a sentence and no hour of building lists."""
_LAYERS = ("num_hidden_layers", "global_attn_every_n_layers")
_NULLABLE = ("num_key_value_heads", "head_dim", "sliding_window", "partial_rotary_factor")
_SHARES = (
    "attention_dropout", "embedding_dropout", "mlp_dropout", "resid_pdrop", "embd_pdrop", "partial_rotary_factor", "attention_out_dropout",
)  # fmt: skip
_FROM_ZERO = ("initializer_range",)
LARGEST_FLOAT = 1e30
_SCALED = ("llama3", "yarn")
_ORIGINAL = "original_max_position_embeddings"
_OF_ROTATIONS = (
    "rope_theta", "partial_rotary_factor", "factor", _ORIGINAL, "low_freq_factor", "high_freq_factor", "beta_fast", "beta_slow",
    "attention_factor",
)  # fmt: skip
"""Numbers that rotations of the kinds that are read depend on."""


def filled(written: dict[str, Any], file: Path) -> SimpleNamespace:
    """What ``written``, the content of ``file``, says of a family that is known here, with its class's defaults.

    `rope_parameters` holds the rotations, whatever their spelling; of a ModernBERT by kind of layer. Raises UserError
    for a value that is none of its key."""
    family = written["model_type"]
    defaults = _DEFAULTS[family]
    found = defaults | {key: value for key, value in written.items() if key in defaults}
    if "head_dim" in written and written["head_dim"] is None and defaults["head_dim"] is not None:
        raise _wrong(family, "head_dim", None, file)
    one_base = (
        family == "modernbert" and found["local_rope_theta"] is None
    )  # an old spelling: the base of the global layers
    if one_base:
        found["local_rope_theta"] = found["global_rope_theta"]
    for key, value in found.items():
        _check(family, key, value, defaults[key], file)
    if family == "modernbert" and "attention_out_dropout" in written:  # ours, beside their keys
        _check(family, "attention_out_dropout", written["attention_out_dropout"], 0.0, file)
    theirs = SimpleNamespace(**found)
    if theirs.layer_types is not None and len(theirs.layer_types) != theirs.num_hidden_layers:
        raise _wrong(family, "layer_types", f"{len(theirs.layer_types)} of {theirs.num_hidden_layers} layers", file)
    if family == "modernbert":
        every = theirs.global_attn_every_n_layers
        theirs.layer_types = theirs.layer_types or [
            LOCAL if layer % every else GLOBAL for layer in range(theirs.num_hidden_layers)
        ]
        theirs.rope_parameters = {
            GLOBAL: _of_kind(theirs, GLOBAL, theirs.global_rope_theta, file),
            LOCAL: _of_kind(theirs, LOCAL, theirs.local_rope_theta, file),
        }
        if one_base and "rope_theta" not in ((found["rope_parameters"] or {}).get(LOCAL) or {}):
            _tell_one_base(file, theirs.global_rope_theta)
        return theirs
    theirs.num_key_value_heads = theirs.num_key_value_heads or theirs.num_attention_heads
    theirs.head_dim = theirs.head_dim or theirs.hidden_size // theirs.num_attention_heads
    theirs.rope_parameters = _rotations(family, theirs, written.get(_ORIGINAL), file)
    return theirs


@cache
def _tell_one_base(file: Path, theta: float) -> None:
    """Once, however often the file is read."""
    say(
        f"{file} has local_rope_theta=null: local layers get the base of the global ones, {theta:g}, as in transformers"
        " 4 (5 cannot run it)"
    )


def _check(family: str, key: str, value: Any, default: Any, file: Path) -> None:
    """Raise UserError where ``value`` is not of the type of ``default``."""
    if value is None and (key in _NULLABLE or default is None):
        return
    if key in ("rope_parameters", "rope_scaling"):
        right = isinstance(value, dict)
    elif key == "layer_types":
        right = isinstance(value, list) and all(isinstance(one, str) for one in value)
    elif isinstance(default, str | bool):
        right = isinstance(value, type(default))
    elif isinstance(default, int) or key in ("num_key_value_heads", "head_dim"):
        right = (
            isinstance(value, int)
            and not isinstance(value, bool)
            and 0 < value <= (MOST_LAYERS if key in _LAYERS else LARGEST)
        )
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


def _wrong(family: str, key: str, value: Any, file: Path) -> UserError:
    name = "ModernBERT" if family == "modernbert" else family
    return UserError(f"{file} is not a configuration of {name} ({key}={value!r}); write it again")


def _of_kind(theirs: SimpleNamespace, kind: str, theta: float, file: Path) -> dict[str, Any]:
    """Rotations of one kind of layers."""
    given = (theirs.rope_parameters or {}).get(kind) or {}
    if not isinstance(given, dict):
        raise _wrong("modernbert", f"rope_parameters.{kind}", given, file)
    own = {**given, **(theirs.rope_scaling or {})}
    return _checked("modernbert", {"rope_theta": theta, "rope_type": own.get("type", "default"), **own}, file)


def _rotations(family: str, theirs: SimpleNamespace, original: int | None, file: Path) -> dict[str, Any]:
    """Rotations of all layers; ``original``: length of the pre-training where it stands beside them, which comes
    first."""
    own = dict(theirs.rope_scaling or theirs.rope_parameters or {})
    if nested := [key for key, value in own.items() if isinstance(value, dict)]:
        raise UserError(
            f"{file} has rotations of its own for {nested[0]}; only rotations that all layers share can be read"
        )
    own = {"rope_theta": theirs.rope_theta, "rope_type": own.get("type", "default"), **own}
    if theirs.partial_rotary_factor is not None:
        own.setdefault("partial_rotary_factor", theirs.partial_rotary_factor)
    if own["rope_type"] in _SCALED:
        own[_ORIGINAL] = original or own.get(_ORIGINAL) or theirs.max_position_embeddings
    return _checked(family, own, file)


def _checked(family: str, rotations: dict[str, Any], file: Path) -> dict[str, Any]:
    """``rotations``. Raises UserError for a value in them that is none of its key; null is a key left out, but no base
    and no kind."""
    if not isinstance(rotations["rope_type"], str):
        raise _wrong(family, "rope_type", rotations["rope_type"], file)
    for key in _OF_ROTATIONS:
        value = rotations.get(key)
        if not (_in_range(key, value) or (value is None and key != "rope_theta")):
            raise _wrong(family, f"{key} of its rotations", value, file)
    return rotations
