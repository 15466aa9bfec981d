"""A net and a folder in Hugging Face's format, whatever its family."""

from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import UserError
from common.files import read_json
from conf.schema import DecoderConfig, EncoderConfig, ModelConfig

if TYPE_CHECKING:
    from model.nets.build import Net

CONFIG = "config.json"


def read_model(folder: str | Path) -> ModelConfig:
    """The shape of the net in ``folder``. Raises UserError for a family, or a variant of one, that no net of ours can be."""
    from model.hf import config as modernbert
    from model.hf import decoder_config as decoders

    file = Path(folder) / CONFIG
    if not file.is_file():
        raise UserError(f"{folder} is no model in Hugging Face's format (no {CONFIG}); name a folder with config.json and *.safetensors")
    family, known = read_json(file).get("model_type"), ("modernbert", *decoders.FAMILIES)
    if family not in known:
        raise UserError(f"{file} describes a model of type {family!r}; those that can be read are {', '.join(known)}")
    return modernbert.to_ours(Path(folder)) if family == "modernbert" else decoders.to_ours(Path(folder))


def export_net(net: "Net", config: ModelConfig, folder: str | Path, tokenizer_folder: str | Path | None = None) -> None:
    """Write ``net`` to ``folder``; see `export_modernbert` and `export_decoder`. All ranks call this."""
    if isinstance(config, DecoderConfig):
        from model.hf.decoder import export_decoder

        export_decoder(net, config, folder, tokenizer_folder)
        return
    from model.hf.modernbert import export_modernbert

    export_modernbert(net, config, folder, tokenizer_folder)


def load_net(folder: str | Path) -> tuple[ModelConfig, "Net"]:
    """The shape and the net in ``folder``, on this rank's device in the precision of the run; errors are those of `read_model` and of the
    family's loader."""
    if isinstance(config := read_model(folder), EncoderConfig):
        from model.hf.modernbert import load_modernbert

        return load_modernbert(folder)
    from model.hf.decoder import load_weights
    from model.nets.decoder import build_decoder

    net = build_decoder(config, initialise=False)
    load_weights(net, config, folder)
    return config, net


def check_exportable(config: ModelConfig) -> None:
    """Raise UserError, with the reason, where a net of ``config`` has no form in Hugging Face's classes."""
    if isinstance(config, DecoderConfig):
        from model.hf.decoder_config import to_theirs as decoder

        decoder(config, "float32")
    else:
        from model.hf.config import to_theirs as encoder

        encoder(config, {}, "float32")
