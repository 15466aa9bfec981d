"""Correspondence of configurations: transformers' `ModernBertConfig` and our `EncoderConfig`."""

from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, write_json
from conf.schema import EncoderConfig
from model.hf.their_config import GLOBAL, LOCAL, filled

CONFIG = "config.json"
_SAME = {
    "vocab_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "hidden_size": "hidden_size",
    "num_heads": "num_attention_heads",
    "ffn_size": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "local_window": "local_attention",
    "norm_eps": "norm_eps",
    "tie_embeddings": "tie_word_embeddings",
    "embedding_dropout": "embedding_dropout",
    "mlp_dropout": "mlp_dropout",
    "init_std": "initializer_range",
}
"""Our key -> theirs, with the same meaning (their MLP dropout stands before the output projection, ours after it)."""
_ONLY = {
    "attention_bias": False, "mlp_bias": False, "norm_bias": False, "classifier_bias": False, "decoder_bias": True,
    "hidden_activation": "gelu", "classifier_activation": "gelu",
}  # fmt: skip
"""Keys of theirs that our net has one value for."""
_OUT_DROPOUT = "attention_out_dropout"
"""Our key, kept in config.json beside theirs: `attention_dropout` would drop attention weights as well, which the net
was not trained with, so that is written as 0, as in the published ModernBERT."""


def to_theirs(config: EncoderConfig, special_ids: dict[str, int | None], dtype: str) -> Any:
    """Their configuration object. `special_ids`: pad, cls, sep (None where there is none); `dtype`: of the weights.

    Raises UserError for a norm that they do not know.
    """
    from transformers import ModernBertConfig

    if config.norm != "layernorm":
        raise UserError(
            f"Hugging Face's ModernBERT has no model.norm={config.norm}; train with model.norm=layernorm to export"
        )
    ids = {f"{name}_token_id": special_ids.get(name) for name in ("pad", "cls", "sep")}
    return ModernBertConfig(
        **{theirs: getattr(config, ours) for ours, theirs in _SAME.items()},
        **ids,
        bos_token_id=ids["cls_token_id"],
        eos_token_id=ids["sep_token_id"],
        layer_types=[LOCAL if layer % config.global_every else GLOBAL for layer in range(config.num_layers)],
        rope_parameters={
            GLOBAL: {"rope_type": "default", "rope_theta": config.rope_theta_global},
            LOCAL: {"rope_type": "default", "rope_theta": config.rope_theta_local},
        },
        attention_dropout=0.0,
        architectures=["ModernBertForMaskedLM"],
        dtype=dtype,
        **{_OUT_DROPOUT: config.attention_out_dropout},
    )


def write_config(config: EncoderConfig, folder: Path, dtype: str, special_ids: dict[str, int | None]) -> None:
    """Write config.json, which transformers 4 understands too.

    It took the bases from `global_rope_theta` and `local_rope_theta` and the global layers from
    `global_attn_every_n_layers`, and would silently fall back to ModernBERT's own where only `rope_parameters` and
    `layer_types` are there."""
    to_theirs(config, special_ids, dtype).save_pretrained(folder)
    old = {"global_rope_theta": float(config.rope_theta_global), "local_rope_theta": float(config.rope_theta_local)}
    old |= {"global_attn_every_n_layers": config.global_every, "torch_dtype": dtype}
    write_json(folder / CONFIG, read_json(folder / CONFIG) | old)


def to_ours(folder: Path) -> EncoderConfig:
    """Our configuration of the model in `folder`, old keys of theirs understood. Raises UserError for a model that our
    net cannot be."""
    file = folder / CONFIG
    written = read_json(file)
    if written.get("model_type") != "modernbert":
        raise UserError(f"{file} describes a model of type {written.get('model_type')!r}; only modernbert can be read")
    theirs = filled(written, file)
    for key, value in _ONLY.items():
        if getattr(theirs, key) != value:
            raise UserError(f"{file} has {key}={getattr(theirs, key)!r}; only {value!r} can be read")
    return EncoderConfig(
        **{ours: getattr(theirs, key) for ours, key in _SAME.items()},
        attention_out_dropout=written.get(_OUT_DROPOUT, theirs.attention_dropout),
        global_every=_global_every(theirs.layer_types, file),
        rope_theta_global=_theta(theirs, GLOBAL, file),
        rope_theta_local=_theta(theirs, LOCAL, file),
    )


def _global_every(layer_types: list[str], file: Path) -> int:
    """Period of the global layers."""
    period = next((layer for layer, kind in enumerate(layer_types) if layer and kind == GLOBAL), len(layer_types))
    if layer_types != [LOCAL if layer % period else GLOBAL for layer in range(len(layer_types))]:
        raise UserError(
            f"{file} has layer_types whose global layers are not the layers 0, n, 2n, ...; only those can be read"
        )
    return period


def _theta(theirs: Any, kind: str, file: Path) -> float:
    rope = theirs.rope_parameters[kind]
    if rope["rope_type"] != "default":
        raise UserError(f"{file} has rope_type={rope['rope_type']!r} for {kind}; only 'default' can be read")
    return float(rope["rope_theta"])
