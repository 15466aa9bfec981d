"""What transformers' configuration classes make of a config.json, without the seconds that importing them takes: keys that it leaves out,
and the spellings of older versions. Held to the classes themselves by a test."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from common.errors import UserError

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
_NULLABLE = ("num_key_value_heads", "head_dim", "sliding_window", "partial_rotary_factor")
_SCALED = ("llama3", "yarn")
_ORIGINAL = "original_max_position_embeddings"


def filled(written: dict[str, Any], file: Path) -> SimpleNamespace:
    """What ``written``, the content of ``file``, says of a family that is known here, with its class's defaults.

    `rope_parameters` holds the rotations, whatever their spelling; of a ModernBERT by kind of layer. Raises UserError for a value that is
    none of its key."""
    family = written["model_type"]
    defaults = _DEFAULTS[family]
    found = defaults | {key: value for key, value in written.items() if key in defaults}
    if "head_dim" in written and written["head_dim"] is None and defaults["head_dim"] is not None:
        raise _wrong(family, "head_dim", None, file)
    if family == "modernbert" and found["local_rope_theta"] is None:  # an old spelling: the base of the global layers
        found["local_rope_theta"] = found["global_rope_theta"]
    for key, value in found.items():
        _check(family, key, value, defaults[key], file)
    theirs = SimpleNamespace(**found)
    if theirs.layer_types is not None and len(theirs.layer_types) != theirs.num_hidden_layers:
        raise _wrong(family, "layer_types", f"{len(theirs.layer_types)} of {theirs.num_hidden_layers} layers", file)
    if family == "modernbert":
        every = theirs.global_attn_every_n_layers
        theirs.layer_types = theirs.layer_types or [LOCAL if layer % every else GLOBAL for layer in range(theirs.num_hidden_layers)]
        theirs.rope_parameters = {
            GLOBAL: _of_kind(theirs, GLOBAL, theirs.global_rope_theta),
            LOCAL: _of_kind(theirs, LOCAL, theirs.local_rope_theta),
        }
        return theirs
    theirs.num_key_value_heads = theirs.num_key_value_heads or theirs.num_attention_heads
    theirs.head_dim = theirs.head_dim or theirs.hidden_size // theirs.num_attention_heads
    theirs.rope_parameters = _rotations(theirs, written.get(_ORIGINAL), file)
    return theirs


def _check(family: str, key: str, value: Any, default: Any, file: Path) -> None:
    """Raise UserError where ``value`` is not of the type of ``default``."""
    if value is None and (key in _NULLABLE or default is None):
        return
    if key in ("rope_parameters", "rope_scaling"):
        right = isinstance(value, dict)
    elif key == "layer_types":
        right = isinstance(value, list)
    elif isinstance(default, str | bool):
        right = isinstance(value, type(default))
    elif isinstance(default, int) or key in ("num_key_value_heads", "head_dim"):
        right = isinstance(value, int) and not isinstance(value, bool) and value > 0
    else:
        right = isinstance(value, int | float) and not isinstance(value, bool)
    if not right:
        raise _wrong(family, key, value, file)


def _wrong(family: str, key: str, value: Any, file: Path) -> UserError:
    name = "ModernBERT" if family == "modernbert" else family
    return UserError(f"{file} is not a configuration of {name} ({key}={value!r}); write it again")


def _of_kind(theirs: SimpleNamespace, kind: str, theta: float) -> dict[str, Any]:
    """Rotations of one kind of layers."""
    own = {**((theirs.rope_parameters or {}).get(kind) or {}), **(theirs.rope_scaling or {})}
    return {"rope_theta": theta, "rope_type": own.get("type", "default"), **own}


def _rotations(theirs: SimpleNamespace, original: int | None, file: Path) -> dict[str, Any]:
    """Rotations of all layers; ``original``: length of the pre-training where it stands beside them, which comes first."""
    own = dict(theirs.rope_scaling or theirs.rope_parameters or {})
    if nested := [key for key, value in own.items() if isinstance(value, dict)]:
        raise UserError(f"{file} has rotations of its own for {nested[0]}; only rotations that all layers share can be read")
    own = {"rope_theta": theirs.rope_theta, "rope_type": own.get("type", "default"), **own}
    if theirs.partial_rotary_factor is not None:
        own.setdefault("partial_rotary_factor", theirs.partial_rotary_factor)
    if own["rope_type"] in _SCALED:
        own[_ORIGINAL] = original or own.get(_ORIGINAL) or theirs.max_position_embeddings
    return own
