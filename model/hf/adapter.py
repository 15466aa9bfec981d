"""Low-rank adapters to and from peft's format: adapter_config.json and adapter_model.safetensors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from common.errors import UserError
from common.files import make_folder, read_json, write_json
from common.numbers import same
from conf.schema import DecoderConfig, LoraConfig
from model.megatron import ranks
from model.nets.decoder import Decoder
from model.nets.lora import LoraLinear
from model.nets.sharding import part, whole, whole_shape
from model.projections import adapted, projections

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PLAIN = (
    "use_dora", "use_rslora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern",
    "layers_to_transform",
    "layer_replication", "target_parameters", "exclude_modules", "trainable_token_indices", "lora_bias",
)  # fmt: skip
"""Keys of theirs that must be empty or false: what they ask for is no pair beside a projection of every layer."""


def export_adapter(net: Decoder, config: DecoderConfig, folder: str | Path, base_model: str | Path) -> None:
    """Write the pairs of `net` to `folder`; peft's `PeftModel.from_pretrained` puts them on the model in `base_model`,
    a folder or a name.

    A folder is named by its absolute path with links followed: a link such as `best` may point elsewhere tomorrow. The
    pairs keep their precision. All ranks must call this; rank 0 writes. Raises UserError for a net without pairs.
    """
    if not adapted(config):
        raise UserError(
            f"model.lora.rank={config.lora.rank} has no adapter to write to {folder}; set model.lora.rank before"
            " training"
        )
    tensors = ranks.gather_stages({name: whole(parameter, net.tp_group) for name, parameter in _pairs(net)})
    if not ranks.is_first():
        return
    from safetensors.torch import save_file

    folder = make_folder(folder)
    write_json(folder / CONFIG, _to_theirs(config, base_model))
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def load_adapter(net: Decoder, folder: str | Path) -> None:
    """Set the pairs of `net` to those in `folder`, as peft wrote them, whatever the layout of ranks.

    Raises UserError where they are not of this net: another rank, scale or choice of projections, missing or foreign
    tensors, other shapes."""
    from safetensors import SafetensorError, safe_open

    config, file = net.decoder_config, Path(folder) / WEIGHTS
    _check(config, Path(folder))
    own = dict(_pairs(net))
    shapes = {_in_layer(name): whole_shape(parameter, net.tp_group) for name, parameter in own.items()}
    try:
        with safe_open(file, framework="pt") as opened, torch.no_grad():
            found, known = set(opened.keys()), set(_names(config))
            if missing := known - found:
                raise UserError(f"{file} lacks {min(missing)}, which an adapter of this net has; choose another one")
            if foreign := found - known:
                raise UserError(f"{file} has {min(foreign)}, which no adapter of this net has; choose another one")
            for name in sorted(known):  # all of them, so that every pipeline stage refuses alike
                shape, wanted = tuple(opened.get_slice(name).get_shape()), shapes[_in_layer(name)]
                if shape != wanted:
                    raise UserError(
                        f"{file} has {name} of shape {shape}, and this net has {wanted}; choose another adapter"
                    )
            for name, parameter in own.items():
                parameter.copy_(part(opened.get_tensor(name), parameter, net.tp_group))
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file} cannot be read ({error}); copy or write it again") from error


def read_lora(folder: str | Path) -> LoraConfig:
    """What section `model.lora` is for the adapter in `folder`. Raises UserError for one that is no plain LoRA."""
    file = Path(folder) / CONFIG
    if not file.is_file():
        raise UserError(f"{folder} is no adapter (no {CONFIG}); name a folder with {CONFIG} and {WEIGHTS}")
    written = read_json(file)
    if written.get("peft_type") != "LORA":
        raise UserError(f"{file} has peft_type={written.get('peft_type')!r}; only 'LORA' can be read")
    for key in _PLAIN:
        if written.get(key):
            raise UserError(f"{file} has {key}={written[key]!r}; only adapters without can be read")
    if written.get("bias", "none") != "none":
        raise UserError(f"{file} has bias={written['bias']!r}; only 'none' can be read")
    names = written.get("target_modules")
    if not isinstance(names, list):
        raise UserError(f"{file} has target_modules={names!r}; only a list of names can be read")
    return LoraConfig(
        written.get("r", 8), float(written.get("lora_alpha", 8)), float(written.get("lora_dropout", 0.0)), sorted(names)
    )


def _to_theirs(config: DecoderConfig, base_model: str | Path) -> dict[str, Any]:
    """Content of adapter_config.json; keys that are not here have peft's defaults, which change nothing."""
    lora = config.lora
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(Path(base_model).resolve() if Path(base_model).exists() else base_model),
        "r": lora.rank,
        "lora_alpha": int(lora.alpha) if lora.alpha == int(lora.alpha) else lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": list(adapted(config)),
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "inference_mode": True,
        "use_dora": False,
        "use_rslora": False,
    }


def _check(config: DecoderConfig, folder: Path) -> None:
    """Raise a UserError where the adapter in `folder` has other pairs than a net of `config`, or another scale."""
    theirs, ours = read_lora(folder), config.lora
    pairs = [
        ("rank", theirs.rank, ours.rank),
        ("alpha", theirs.alpha, ours.alpha),
        ("targets", sorted(theirs.targets), sorted(adapted(config))),
    ]
    for key, there, here in pairs:
        if not same(there, here):
            raise UserError(
                f"{folder / CONFIG} stands for model.lora.{key}={there}, and this net has {here}; set model.lora.* as"
                " there"
            )


def _names(config: DecoderConfig) -> Iterator[str]:
    """Names of all tensors of an adapter."""
    wanted = adapted(config)
    for layer in range(config.num_layers):
        for linear, names in projections(config).items():
            for name in names:
                if name in wanted:
                    yield from (_name(layer, linear, name, side) for side in "AB")


def _name(layer: int, linear: str, projection: str, side: str) -> str:
    """peft's name of one matrix of a pair; `side` is A or B."""
    place = "self_attn" if linear in ("linear_qkv", "linear_proj") else "mlp"
    return f"base_model.model.model.layers.{layer}.{place}.{projection}.lora_{side}.weight"


def _in_layer(name: str) -> str:
    """The same name in any layer: all are alike."""
    return name.split(".layers.")[1].split(".", 1)[1]


def _pairs(net: Decoder) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """The matrices of this pipeline stage, by peft's names."""
    for layer in net.decoder.layers:
        for part_of_layer in (layer.self_attention, layer.mlp):
            for linear, module in part_of_layer.named_children():
                if isinstance(module, LoraLinear):
                    for side, matrices in (("A", module.lora_a), ("B", module.lora_b)):
                        for projection, matrix in matrices.items():
                            yield _name(layer.layer_number - 1, linear, projection, side), matrix
