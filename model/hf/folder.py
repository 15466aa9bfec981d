"""A net and a folder in Hugging Face's format, whatever its family."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import manifest as manifests
from common.errors import UserError
from common.files import has_digest, read_json
from common.layout import HF, MEGATRON
from common.numbers import same
from conf.families import MODEL_TYPES, DecoderFamily, family_in
from conf.schema import DecoderConfig, EncoderConfig, ModelConfig
from model.hf.decoder import config as decoders
from model.hf.modernbert import config as modernbert
from model.shapes import is_local

if TYPE_CHECKING:
    from model.nets.build import Net

CONFIG = "config.json"
MEGATRON_LM = "megatron_lm"
"""Formats of weights: Hugging Face's, the Megatron half of a checkpoint of ours, a checkpoint of Megatron-LM."""
_MAY_DIFFER = (
    "max_positions", "rope_theta", "rope_scaling", "rope_theta_global", "rope_theta_local", "init_std", "lora",
    "decoder_bias_init",
    "dropout", "embedding_dropout", "attention_out_dropout", "mlp_dropout",
)  # fmt: skip
"""Keys that a net may have otherwise than the folder that its weights come from: how long documents are read, and how
it is trained."""


def read_model(folder: str | Path) -> ModelConfig:
    """The shape of the net in ``folder``. Raises UserError for a family, or a variant of one, that no net of ours can
    be."""
    file = Path(folder) / CONFIG
    if not file.is_file():
        raise UserError(
            f"{folder} is no model in Hugging Face's format (no {CONFIG}); name a folder with config.json and"
            " *.safetensors"
        )
    written = read_json(file)
    if not isinstance(written, dict):
        raise UserError(f"{file} holds no JSON object, so it is no configuration of a model; write it again")
    if (family := family_in(written)) is None:
        told, readable = written.get("model_type"), ", ".join(MODEL_TYPES)
        raise UserError(f"{file} describes a model of type {told!r}; those that can be read are {readable}")
    room = decoders if isinstance(family, DecoderFamily) else modernbert
    return room.to_ours(Path(folder))


def export_net(net: "Net", config: ModelConfig, folder: str | Path, tokenizer_folder: str | Path | None = None) -> None:
    """Write ``net`` to ``folder``; see `export_modernbert` and `export_decoder`. All ranks call this."""
    if isinstance(config, DecoderConfig):
        from model.hf.decoder.folder import export_decoder

        export_decoder(net, config, folder, tokenizer_folder)
        return
    from model.hf.modernbert.folder import export_modernbert

    export_modernbert(net, config, folder, tokenizer_folder)


def load_net(folder: str | Path) -> tuple[ModelConfig, "Net"]:
    """The shape and the net in ``folder``, on this rank's device in the precision of the run; errors are those of
    `read_model` and of the family's loader."""
    if isinstance(config := read_model(folder), EncoderConfig):
        from model.hf.modernbert.folder import load_modernbert

        return load_modernbert(folder)
    from model.hf.decoder.folder import load_weights
    from model.nets.decoder import build_decoder

    net = build_decoder(config, initialise=False)
    load_weights(net, config, folder)
    return config, net


def load_into(net: "Net", config: ModelConfig, folder: str | Path) -> None:
    """Fill ``net``, built for ``config``, with the weights in ``folder``; nothing else of the folder is taken. All
    ranks must call this.

    The folder is a model in Hugging Face's format, a checkpoint of a run here, or a checkpoint of Megatron-LM. Raises
    UserError naming what differs where its net is another: only keys that change no weight's shape and no arithmetic of
    short documents may (`_MAY_DIFFER`)."""
    from model.megatron import ranks

    folder, kind = ranks.on_first(lambda: _weights_in(folder, config))
    if kind == HF:
        _fill(net, config, folder)
    elif kind == MEGATRON:
        from model.megatron.checkpoint import load_model_only

        load_model_only(folder, net)
    else:
        from model.megatron.adopt import load_megatron_lm

        load_megatron_lm(folder, net)


def check_weights(config: ModelConfig, folder: str | Path) -> None:
    """Raise UserError for what `load_into` would refuse, without a net: no more than one tensor is in memory."""
    folder, kind = _weights_in(folder, config)
    if kind == MEGATRON:
        from model.megatron.checkpoint import read_state
        from model.megatron.metadata import read_metadata

        read_metadata(folder)
        read_state(folder)
    elif kind == MEGATRON_LM:
        from model.megatron.metadata import read_metadata

        read_metadata(folder, objects=True)
    elif isinstance(config, EncoderConfig):
        from model.hf.modernbert.folder import check_tensors

        check_tensors(config, folder)
    else:
        from model.hf.decoder.folder import check_tensors

        check_tensors(config, folder)


def _weights_in(folder: str | Path, config: ModelConfig) -> tuple[Path, str]:
    """Where below ``folder`` the weights for a net of ``config`` are, and in which format. Raises UserError where there
    are none, or those of another net, or not those that the manifest lists."""
    folder = Path(folder).resolve()
    manifest = manifests.read(folder) if (folder / manifests.NAME).is_file() else {}
    half = (
        (f"{HF}/" if (folder / HF / CONFIG).is_file() else f"{MEGATRON}/")
        if manifest.get("kind") == "checkpoint"
        else ""
    )
    _check_written(folder, manifest, half)
    folder = folder / half
    if half == f"{MEGATRON}/":
        return folder, MEGATRON
    if (folder / CONFIG).is_file():
        check_shape(config, read_model(folder), folder)
        return folder, HF
    if (folder / "metadata.json").is_file() and (folder / ".metadata").is_file():
        if isinstance(config, EncoderConfig):
            raise UserError(
                f"{folder} is a checkpoint of Megatron-LM, of which decoders alone can be read; name another folder"
            )
        return folder, MEGATRON_LM
    raise UserError(
        f"{folder} has no weights to start from; name a folder with {CONFIG} and *.safetensors, a checkpoint of a run,"
        " or a folder of Megatron-LM with metadata.json and .metadata"
    )


def _check_written(folder: Path, manifest: dict[str, Any], half: str) -> None:
    """Raise UserError where weights below ``folder`` are not those that its manifest lists; nothing is known of what it
    does not list."""
    for name, value in manifest.get("files", {}).items():
        file, weights = folder / name, name.startswith(half) and name.endswith((".safetensors", ".distcp"))
        if weights and not (file.is_file() and has_digest(file, value)):
            raise UserError(
                f"{file} is missing or not what {manifests.NAME} beside it says; copy the folder again, or name another"
            )


def _fill(net: "Net", config: ModelConfig, folder: Path) -> None:
    if isinstance(config, EncoderConfig):
        from model.hf.modernbert.folder import fill_modernbert

        fill_modernbert(net, config, folder)
        return
    from model.hf.decoder.folder import load_weights

    load_weights(net, config, folder)


def check_shape(ours: ModelConfig, theirs: ModelConfig, folder: Path) -> None:
    """Raise UserError listing the keys in which ``ours`` and the net in ``folder`` differ, but for those that may
    (`_MAY_DIFFER`)."""
    if type(ours) is not type(theirs):
        raise UserError(
            f"{folder} holds a {theirs.architecture}, not model.architecture={ours.architecture}; choose model=... to"
            " fit it"
        )
    keys = [field.name for field in dataclasses.fields(ours) if field.name not in _MAY_DIFFER]
    wrong = [key for key in keys if not same(getattr(ours, key), getattr(theirs, key))]
    if _local_layers(ours) == _local_layers(theirs):  # of few layers, several periods are one net
        wrong = [key for key in wrong if key != "global_every"]
    if wrong:
        told = ", ".join(f"model.{key}={getattr(ours, key)} (there {getattr(theirs, key)})" for key in wrong)
        raise UserError(
            f"{folder} holds another net than the one asked for: {told}; set these as there, or name another folder"
        )


def _local_layers(model: EncoderConfig | DecoderConfig) -> list[bool]:
    return [is_local(model, layer) for layer in range(model.num_layers)]


def check_exportable(config: ModelConfig) -> None:
    """Raise UserError, with the reason, where a net of ``config`` has no form in Hugging Face's classes."""
    if isinstance(config, DecoderConfig):
        decoders.to_theirs(config, "float32")
    else:
        modernbert.to_theirs(config, {}, "float32")
