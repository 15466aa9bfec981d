"""Correspondence of configurations: transformers' decoders and our `DecoderConfig`."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, write_json
from conf.families import DECODERS, MODEL_TYPES, DecoderFamily, family_in
from conf.families.record import GLOBAL, LOCAL, NEUTRAL
from conf.schema import DecoderConfig
from conf.schema.model import RopeScalingConfig
from model.hf.their_config import filled, layers_period

CONFIG = "config.json"
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

    family = check_exportable(config)
    ids = {f"{name}_token_id": (special_ids or {}).get(name) for name in ("bos", "eos", "pad")}
    fields = {theirs: getattr(config, ours) for ours, theirs in family.keys.items() if ours not in NEUTRAL}
    if not family.always_head_dim and config.head_width * config.num_heads == config.hidden_size:
        del fields[family.keys["head_width"]]
    fields |= dict(family.fixed) | dict.fromkeys(family.dropout_keys, config.dropout) | _own_fields(family, config)
    fields |= {"rope_parameters": _rope_parameters(family, config), "architectures": [family.class_name]}
    try:
        return getattr(transformers, family.config_class)(**fields | ids, dtype=dtype)
    except Exception as error:  # it checks types and values with exceptions of its own
        told = " ".join(str(error).split())
        raise UserError(f"model.architecture={family.name} cannot be exported with these sizes ({told})") from error


def write_config(
    config: DecoderConfig, folder: Path, dtype: str, special_ids: Mapping[str, int | None] | None = None
) -> None:
    """Write config.json, which transformers 4 understands too.

    It took the rotations from `rope_theta`, `rope_scaling` and `partial_rotary_factor`, and would silently fall back to
    a base of 10,000 where only `rope_parameters` is there; before 4.56 it took the type of the weights from
    `torch_dtype`. Of alternating layers it read the period and a key for the base of the local ones.
    """
    to_theirs(config, dtype, special_ids).save_pretrained(folder)
    family = DECODERS[config.architecture]
    rope = _rotations(family, config)
    old = {"torch_dtype": dtype, "rope_theta": rope.pop("rope_theta")}
    if config.rope_scaling.kind == "yarn":  # where it stands for readers that let it stand above the other one
        old[_ORIGINAL] = config.rope_scaling.original_max_positions
    if "partial_rotary_factor" in rope:
        old["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    old["rope_scaling"] = rope if config.rope_scaling.kind != "none" else None
    if kinds := family.kinds:
        old |= {kinds.every: config.global_every, kinds.theta_local: _local_theta(config)}
    write_json(folder / CONFIG, read_json(folder / CONFIG) | old)


def to_ours(folder: str | Path) -> DecoderConfig:
    """Our configuration of the model in `folder`, old keys of theirs understood.

    Dropout is read for families that have keys for it (phi), the least of them: the other classes have none but on
    attention weights, which our net leaves out. Raises UserError, naming file and key, for a model that our net cannot
    be.
    """
    file = Path(folder) / CONFIG
    written = read_json(file)
    family = family_in(written)
    if not isinstance(family, DecoderFamily):
        readable = ", ".join(name for name in MODEL_TYPES if isinstance(family_in({"model_type": name}), DecoderFamily))
        told = written.get("model_type")
        raise UserError(f"{file} describes a model of type {told!r}; decoders that can be read are {readable}")
    if written.get("quantization_config"):
        raise UserError(f"{file} has a quantization_config; only weights that are not quantised can be read")
    theirs = filled(written, file)
    for key, value in family.fixed.items():
        if getattr(theirs, key) != value:
            raise UserError(f"{file} has {key}={getattr(theirs, key)!r}; only {value!r} can be read for {family.name}")
    if not family.kinds and LOCAL in (theirs.layer_types or ()):
        raise UserError(f"{file} has layer_types with {LOCAL}; only windows of all layers alike (mistral) can be read")
    return DecoderConfig(
        architecture=family.name,
        **{ours: getattr(theirs, key) for ours, key in family.keys.items() if ours not in NEUTRAL},
        **_our_own(family, theirs, file),
        dropout=min((getattr(theirs, key) for key in family.dropout_keys), default=0.0),
        **_our_rope(family, dict(theirs.rope_parameters), file),
    )


def check_exportable(config: DecoderConfig) -> DecoderFamily:
    """Return the family of ``config``. Raises UserError for what its class has no key for."""
    if config.architecture not in DECODERS:
        raise UserError(
            f"model.architecture={config.architecture} has no class in transformers here; it takes "
            + ", ".join(DECODERS)
        )
    family = DECODERS[config.architecture]
    for key, neutral in NEUTRAL.items():
        value = getattr(config, key)
        if key not in family.keys and value != neutral:
            others = ", ".join(name for name, other in DECODERS.items() if key in other.keys)
            raise UserError(
                f"Hugging Face's {family.name} has no key for model.{key}={value:g}; set model.{key}={neutral:g}, or a "
                f"model.architecture that has one ({others}) to export"
            )
    if family.kinds and not config.global_every:
        raise UserError(
            f"Hugging Face's {family.name} has global and local layers; set model.global_every, or another "
            "model.architecture to export"
        )
    return family


def _own_fields(family: DecoderFamily, config: DecoderConfig) -> dict[str, Any]:
    """Their keys of what only some families have, rotations aside."""
    fields: dict[str, Any] = {}
    if "window" in family.keys:
        fields[family.keys["window"]] = config.window or None
    if "attention_scalar" in family.keys:
        fields[family.keys["attention_scalar"]] = config.attention_scalar or config.head_width
    if family.kinds:
        fields["layer_types"] = family.kinds.types(config.num_layers, config.global_every)
    return fields


def _our_own(family: DecoderFamily, theirs: Any, file: Path) -> dict[str, Any]:
    """The inverse of `_own_fields`, and the base of local layers."""
    values: dict[str, Any] = {}
    if "window" in family.keys:
        values["window"] = getattr(theirs, family.keys["window"]) or 0
    if "attention_scalar" in family.keys:
        scalar = getattr(theirs, family.keys["attention_scalar"])
        values["attention_scalar"] = 0 if scalar == theirs.head_dim else scalar
    if family.kinds:
        values["global_every"] = layers_period(family.kinds, theirs, file)
        local = theirs.rope_parameters[LOCAL]
        if local["rope_type"] != "default":
            raise UserError(f"{file} has rope_type={local['rope_type']!r} for {LOCAL}; only 'default' can be read")
        values["rope_theta_local"] = float(local["rope_theta"])
    return values


def _local_theta(config: DecoderConfig) -> float:
    return float(config.rope_theta_local or config.rope_theta)


def _rope_parameters(family: DecoderFamily, config: DecoderConfig) -> dict[str, Any]:
    """`rope_parameters` of theirs: by kind of layer where there are two."""
    rotations = _rotations(family, config)
    if not family.kinds:
        return rotations
    return {GLOBAL: rotations, LOCAL: {"rope_type": "default", "rope_theta": _local_theta(config)}}


def _rotations(family: DecoderFamily, config: DecoderConfig) -> dict[str, Any]:
    """Rotations of all layers, or of the global ones: kind, base, and what the kind depends on."""
    scaling = config.rope_scaling
    rope: dict[str, Any] = {"rope_type": _ROPE_TYPES[scaling.kind], "rope_theta": float(config.rope_theta)}
    for key in _SCALING[scaling.kind]:
        rope[_ORIGINAL if key == "original_max_positions" else key] = getattr(scaling, key)
    if "rope_share" in family.keys:
        rope[family.keys["rope_share"]] = config.rope_share
    return rope


def _our_rope(family: DecoderFamily, parameters: dict[str, Any], file: Path) -> dict[str, Any]:
    """Our keys of the rotations. Raises UserError for a kind, or a variant of one, that our net does not compute."""
    rope = dict(parameters[GLOBAL]) if family.kinds else parameters
    kinds = {theirs: ours for ours, theirs in _ROPE_TYPES.items()}
    if (rope_type := rope.pop("rope_type")) not in kinds:
        raise UserError(f"{file} has rope_type={rope_type!r}; rotations that can be read are {', '.join(kinds)}")
    kind = kinds[rope_type]
    theta, share = rope.pop("rope_theta"), rope.pop("partial_rotary_factor", None) or 1.0
    if share != 1.0 and "rope_share" not in family.keys:
        raise UserError(f"{file} has partial_rotary_factor={share}; only 1 can be read for {family.name}")
    scaling = RopeScalingConfig(kind=kind)
    for key in _SCALING[kind]:
        value = rope.pop(_ORIGINAL if key == "original_max_positions" else key, None)
        if value is not None:
            setattr(scaling, key, type(getattr(scaling, key))(value))
    unread = {
        key: value
        for key, value in rope.items()
        if key not in ("type", _ORIGINAL) and not _is_default(key, value, scaling)
    }
    if unread and kind != "none":
        key, value = next(iter(unread.items()))
        raise UserError(
            f"{file} has {key}={value!r} in its rotations of kind {kind}; remove it there if the model was not trained "
            "with it"
        )
    return {"rope_theta": float(theta), "rope_share": float(share), "rope_scaling": scaling}


def _is_default(key: str, value: Any, scaling: RopeScalingConfig) -> bool:
    """Whether a key of yarn that we have none for says what yarn does anyhow (arXiv 2309.00071, section 3.4)."""
    if value is None or (key == "truncate" and value is True):
        return True
    return key == "attention_factor" and math.isclose(
        value, 0.1 * math.log(max(scaling.factor, 1.0)) + 1.0, rel_tol=1e-6
    )
