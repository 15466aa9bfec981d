"""Correspondence of configurations: transformers' `ModernBertConfig` and our `EncoderConfig`."""

from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, write_json
from conf.families import ENCODERS, family_in
from conf.families.record import GLOBAL, LOCAL
from conf.schema import EncoderConfig
from model.hf.their_config import filled, layers_period

CONFIG = "config.json"
_OUT_DROPOUT = "attention_out_dropout"
"""Our key, kept in config.json beside theirs: `attention_dropout` would drop attention weights as well, which the net
was not trained with, so that is written as 0, as in the published ModernBERT."""


def to_theirs(config: EncoderConfig, special_ids: dict[str, int | None], dtype: str) -> Any:
    """Their configuration object. `special_ids`: pad, cls, sep (None where there is none); `dtype`: of the weights.

    Raises UserError for a norm that they do not know.
    """
    import transformers

    family = ENCODERS[config.architecture]
    if config.norm != "layernorm":
        raise UserError(
            f"Hugging Face's ModernBERT has no model.norm={config.norm}; train with model.norm=layernorm to export"
        )
    ids = {f"{name}_token_id": special_ids.get(name) for name in ("pad", "cls", "sep")}
    return getattr(transformers, family.config_class)(
        **{theirs: getattr(config, ours) for ours, theirs in family.keys.items()},
        **ids,
        bos_token_id=ids["cls_token_id"],
        eos_token_id=ids["sep_token_id"],
        layer_types=family.kinds.types(config.num_layers, config.global_every),
        rope_parameters={
            GLOBAL: {"rope_type": "default", "rope_theta": config.rope_theta_global},
            LOCAL: {"rope_type": "default", "rope_theta": config.rope_theta_local},
        },
        attention_dropout=0.0,
        architectures=[family.class_name],
        dtype=dtype,
        **{_OUT_DROPOUT: config.attention_out_dropout},
    )


def write_config(config: EncoderConfig, folder: Path, dtype: str, special_ids: dict[str, int | None]) -> None:
    """Write config.json, which transformers 4 understands too.

    It took the bases from `global_rope_theta` and `local_rope_theta` and the global layers from
    `global_attn_every_n_layers`, and would silently fall back to ModernBERT's own where only `rope_parameters` and
    `layer_types` are there.
    """
    to_theirs(config, special_ids, dtype).save_pretrained(folder)
    kinds = ENCODERS[config.architecture].kinds
    old = {
        kinds.theta_global: float(config.rope_theta_global),
        kinds.theta_local: float(config.rope_theta_local),
        kinds.every: config.global_every,
        "torch_dtype": dtype,
    }
    write_json(folder / CONFIG, read_json(folder / CONFIG) | old)


def to_ours(folder: Path) -> EncoderConfig:
    """Our configuration of the model in `folder`, old keys of theirs understood. Raises UserError for a model that our
    net cannot be."""
    file = folder / CONFIG
    written = read_json(file)
    family = family_in(written)
    if family not in ENCODERS.values():
        readable = ", ".join(encoder.model_type for encoder in ENCODERS.values())
        raise UserError(f"{file} describes a model of type {written.get('model_type')!r}; only {readable} can be read")
    theirs = filled(written, file)
    for key, value in family.fixed.items():
        if getattr(theirs, key) != value:
            raise UserError(f"{file} has {key}={getattr(theirs, key)!r}; only {value!r} can be read")
    return EncoderConfig(
        architecture=family.name,
        **{ours: getattr(theirs, key) for ours, key in family.keys.items()},
        attention_out_dropout=written.get(_OUT_DROPOUT, theirs.attention_dropout),
        global_every=layers_period(family.kinds, theirs, file),
        rope_theta_global=_theta(theirs, GLOBAL, file),
        rope_theta_local=_theta(theirs, LOCAL, file),
    )


def _theta(theirs: Any, kind: str, file: Path) -> float:
    rope = theirs.rope_parameters[kind]
    if rope["rope_type"] != "default":
        raise UserError(f"{file} has rope_type={rope['rope_type']!r} for {kind}; only 'default' can be read")
    return float(rope["rope_theta"])
