"""Correspondence of configurations: transformers' Qwen3, Qwen2, Llama, Mistral and Phi, and our `DecoderConfig`."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, write_json
from conf.schema import DecoderConfig
from conf.schema.model import RopeScalingConfig
from model.hf.their_config import filled

FAMILIES = ("qwen3", "qwen2", "llama", "mistral", "phi")
"""Families of decoders, as `model_type` in config.json."""
CONFIG = "config.json"
_CLASSES = {"qwen3": "Qwen3", "qwen2": "Qwen2", "llama": "Llama", "mistral": "Mistral", "phi": "Phi"}
_SAME = {
    "vocab_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "hidden_size": "hidden_size",
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
    "ffn_size": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "tie_embeddings": "tie_word_embeddings",
    "init_std": "initializer_range",
}
"""Our key -> theirs, with the same meaning in every family."""
_ONLY: dict[str, dict[str, Any]] = {
    "qwen3": {"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False},
    "qwen2": {"hidden_act": "silu", "use_sliding_window": False},
    "llama": {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False},
    "mistral": {"hidden_act": "silu"},
    "phi": {"hidden_act": "gelu_new", "qk_layernorm": False},
}
"""Keys of theirs that our net has one value for."""
_SCALING = {
    "none": (),
    "linear": ("factor",),
    "llama3": ("factor", "original_max_positions", "low_freq_factor", "high_freq_factor"),
    "yarn": ("factor", "original_max_positions", "beta_fast", "beta_slow"),
}
"""What each kind of stretched rotation depends on, by our names."""
_ROPE_TYPES = {"none": "default", "linear": "linear", "llama3": "llama3", "yarn": "yarn"}
_ORIGINAL = "original_max_position_embeddings"


def to_theirs(config: DecoderConfig, dtype: str, special_ids: Mapping[str, int | None] | None = None) -> Any:
    """Their configuration object. `dtype`: of the weights; `special_ids`: of bos, eos, pad (None or absent where there
    is none).

    Raises UserError, naming the key, for a net that the family's class in transformers cannot be.
    """
    import transformers

    family = config.architecture
    _check_exportable(config)
    ids = {f"{name}_token_id": (special_ids or {}).get(name) for name in ("bos", "eos", "pad")}
    fields = {theirs: getattr(config, ours) for ours, theirs in _SAME.items()} | ids
    fields[_norm_key(family)] = config.norm_eps
    if family in ("qwen3", "llama", "mistral") or config.head_width * config.num_heads != config.hidden_size:
        fields["head_dim"] = config.head_width
    if family == "phi":
        fields |= {"resid_pdrop": config.dropout, "embd_pdrop": config.dropout}
    if family == "mistral":
        fields["sliding_window"] = config.window or None
    fields |= {
        "rope_parameters": _rope_parameters(config),
        "architectures": [f"{_CLASSES[family]}ForCausalLM"],
        "dtype": dtype,
    }
    try:
        return getattr(transformers, f"{_CLASSES[family]}Config")(**fields)
    except Exception as error:  # it checks types and values with exceptions of its own
        raise UserError(
            f"model.architecture={family} cannot be exported with these sizes ({' '.join(str(error).split())})"
        ) from error


def write_config(
    config: DecoderConfig, folder: Path, dtype: str, special_ids: Mapping[str, int | None] | None = None
) -> None:
    """Write config.json, which transformers 4 understands too.

    It took the rotations from `rope_theta`, `rope_scaling` and `partial_rotary_factor`, and would silently fall back to
    a base of 10,000 where only `rope_parameters` is there; before 4.56 it took the type of the weights from
    `torch_dtype`."""
    to_theirs(config, dtype, special_ids).save_pretrained(folder)
    rope = _rope_parameters(config)
    old = {"torch_dtype": dtype, "rope_theta": rope.pop("rope_theta")}
    if config.rope_scaling.kind == "yarn":  # where it stands for readers that let it stand above the other one
        old[_ORIGINAL] = config.rope_scaling.original_max_positions
    if "partial_rotary_factor" in rope:
        old["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    old["rope_scaling"] = rope if config.rope_scaling.kind != "none" else None
    write_json(folder / CONFIG, read_json(folder / CONFIG) | old)


def to_ours(folder: str | Path) -> DecoderConfig:
    """Our configuration of the model in `folder`, old keys of theirs understood.

    Dropout is read for phi alone, the lesser of its two: the other classes have none but on attention weights, which
    our net leaves out. Raises UserError, naming file and key, for a model that our net cannot be."""
    file = Path(folder) / CONFIG
    written = read_json(file)
    family = written.get("model_type")
    if family not in FAMILIES:
        raise UserError(
            f"{file} describes a model of type {family!r}; decoders that can be read are {', '.join(FAMILIES)}"
        )
    if written.get("quantization_config"):
        raise UserError(f"{file} has a quantization_config; only weights that are not quantised can be read")
    theirs = filled(written, file)
    for key, value in _ONLY[family].items():
        if getattr(theirs, key) != value:
            raise UserError(f"{file} has {key}={getattr(theirs, key)!r}; only {value!r} can be read for {family}")
    if "sliding_attention" in (theirs.layer_types or ()):
        raise UserError(
            f"{file} has layer_types with sliding_attention; only windows of all layers alike (mistral) can be read"
        )
    return DecoderConfig(
        architecture=family,
        **{ours: getattr(theirs, key) for ours, key in _SAME.items()},
        norm_eps=getattr(theirs, _norm_key(family)),
        head_width=theirs.head_dim,
        window=theirs.sliding_window or 0 if family == "mistral" else 0,
        dropout=min(theirs.resid_pdrop, theirs.embd_pdrop) if family == "phi" else 0.0,
        **_our_rope(family, dict(theirs.rope_parameters), file),
    )


def _norm_key(family: str) -> str:
    return "layer_norm_eps" if family == "phi" else "rms_norm_eps"


def _check_exportable(config: DecoderConfig) -> None:
    """Raise UserError for what the family's class has no key for."""
    family = config.architecture
    if family not in FAMILIES:
        raise UserError(
            f"model.architecture={family} has no class in transformers here; it takes {', '.join(FAMILIES)}"
        )
    if config.window and family != "mistral":
        raise UserError(
            f"Hugging Face's {family} has no window as ours; set model.window=0 or model.architecture=mistral to export"
        )
    if config.rope_share != 1.0 and family != "phi":
        raise UserError(
            f"Hugging Face's {family} rotates heads whole; set model.rope_share=1 or model.architecture=phi to export"
        )


def _rope_parameters(config: DecoderConfig) -> dict[str, Any]:
    """`rope_parameters` of theirs: kind, base, and what the kind depends on."""
    scaling = config.rope_scaling
    found: dict[str, Any] = {"rope_type": _ROPE_TYPES[scaling.kind], "rope_theta": float(config.rope_theta)}
    for key in _SCALING[scaling.kind]:
        found[_ORIGINAL if key == "original_max_positions" else key] = getattr(scaling, key)
    if config.architecture == "phi":
        found["partial_rotary_factor"] = config.rope_share
    return found


def _our_rope(family: str, rope: dict[str, Any], file: Path) -> dict[str, Any]:
    """Our keys of the rotations. Raises UserError for a kind, or a variant of one, that our net does not compute."""
    kinds = {theirs: ours for ours, theirs in _ROPE_TYPES.items()}
    if (rope_type := rope.pop("rope_type")) not in kinds:
        raise UserError(f"{file} has rope_type={rope_type!r}; rotations that can be read are {', '.join(kinds)}")
    kind = kinds[rope_type]
    theta, share = rope.pop("rope_theta"), rope.pop("partial_rotary_factor", None) or 1.0
    if share != 1.0 and family != "phi":
        raise UserError(f"{file} has partial_rotary_factor={share}; only 1 can be read for {family}")
    scaling = RopeScalingConfig(kind=kind)
    for key in _SCALING[kind]:
        value = rope.pop(_ORIGINAL if key == "original_max_positions" else key, None)
        if value is not None:
            setattr(scaling, key, type(getattr(scaling, key))(value))
    left = {
        key: value
        for key, value in rope.items()
        if key not in ("type", _ORIGINAL) and not _is_default(key, value, scaling)
    }
    if left and kind != "none":
        key, value = next(iter(left.items()))
        raise UserError(
            f"{file} has {key}={value!r} in its rotations of kind {kind}; remove it there if the model was not trained"
            " with it"
        )
    return {"rope_theta": float(theta), "rope_share": float(share), "rope_scaling": scaling}


def _is_default(key: str, value: Any, scaling: RopeScalingConfig) -> bool:
    """Whether a key of yarn that we have none for says what yarn does anyhow (arXiv 2309.00071, section 3.4)."""
    if value is None or (key == "truncate" and value is True):
        return True
    return key == "attention_factor" and math.isclose(
        value, 0.1 * math.log(max(scaling.factor, 1.0)) + 1.0, rel_tol=1e-6
    )
