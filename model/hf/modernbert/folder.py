"""ModernBERT to and from Hugging Face: a folder that transformers' `ModernBertForMaskedLM` computes the same logits
from."""

from pathlib import Path

import torch

from common.errors import UserError
from common.files import make_folder
from conf.schema import EncoderConfig
from model.hf.modernbert import config as configs
from model.hf.modernbert import weights
from model.hf.sentence_transformers import write_modules
from model.hf.tensors import SHARD_BYTES, TensorReader, write_tensors
from model.hf.tokenizer import copy_tokenizer
from model.megatron import ranks
from model.nets.encoder import ModernBert, build_encoder
from model.nets.sharding import global_names, part, whole, whole_shape


def export_modernbert(
    model: ModernBert,
    config: EncoderConfig,
    folder: str | Path,
    tokenizer_folder: str | Path | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write `model` to `folder`: weights (safetensors), config.json, the tokenizer's files, and what
    sentence-transformers reads.

    The weights keep their precision. All ranks must call this; rank 0 writes. Raises UserError for a net that Hugging
    Face's ModernBERT cannot be."""
    dtype = str(model.config.params_dtype).removeprefix("torch.")
    configs.to_theirs(config, {}, dtype)  # refuse before anything is written
    ours = global_names(model)
    tensors = ranks.gather_stages(
        {
            theirs: weights.to_theirs(theirs, whole(ours[name], model.tp_group), config).contiguous()
            for theirs, name in weights.names(config).items()
            if name in ours
        }
    )
    if not ranks.is_first():
        return
    folder = make_folder(folder)
    ids = copy_tokenizer(Path(tokenizer_folder), folder, config.max_positions) if tokenizer_folder else {}
    configs.write_config(config, folder, dtype, ids)
    write_tensors(tensors, folder, shard_bytes)
    write_modules(folder, config.hidden_size, config.max_positions)


def load_modernbert(folder: str | Path) -> tuple[EncoderConfig, ModernBert]:
    """The model in a `ModernBertForMaskedLM` folder, on this rank's device in the precision of the run.

    Call `model.megatron.startup.start` before. Raises UserError naming the key or tensor that does not fit.
    """
    config = configs.to_ours(Path(folder))
    model = build_encoder(config, initialise=False)
    fill_modernbert(model, config, folder)
    return config, model


def fill_modernbert(model: ModernBert, config: EncoderConfig, folder: str | Path) -> None:
    """Fill `model`, built for `config`, with the weights in `folder`. Raises UserError naming the tensor that does not
    fit."""
    folder = Path(folder)
    if not (model.pre_process and model.post_process):
        raise UserError(f"{folder} can only be read whole; set parallel.pipeline=1")
    ours, known = dict(model.named_parameters()), weights.names(config)
    with TensorReader(folder) as reader, torch.no_grad():
        for theirs, name in known.items():
            tensor = reader.read(theirs, whole_shape(ours[name], model.tp_group))
            ours[name].copy_(part(weights.to_ours(theirs, tensor, config), ours[name], model.tp_group))
        foreign = reader.names() - known.keys()
        if config.tie_embeddings and weights.DECODER in foreign:
            _check_tied(reader, foreign, ours[known[weights.TABLE]], model)
    _refuse_foreign(folder, foreign)


def check_tensors(config: EncoderConfig, folder: str | Path) -> None:
    """Raise UserError, without a net, for what `fill_modernbert` refuses."""
    known = weights.shapes(config)
    with TensorReader(Path(folder)) as reader:
        for name, shape in known.items():
            reader.check(name, shape)
        foreign = reader.names() - known.keys()
        if config.tie_embeddings and weights.DECODER in foreign:
            reader.check(weights.DECODER, known[weights.TABLE])
            _refuse_untied(
                reader,
                torch.equal(*(reader.part(name, (0, config.vocab_size)) for name in (weights.DECODER, weights.TABLE))),
            )
            foreign.remove(weights.DECODER)
    _refuse_foreign(Path(folder), foreign)


def _check_tied(reader: TensorReader, foreign: set[str], table: torch.Tensor, model: ModernBert) -> None:
    """Take the decoder out of `foreign` if it is the embedding table, as config.json says. Raises UserError where it is
    not."""
    decoder = reader.read(weights.DECODER, whole_shape(table, model.tp_group))
    _refuse_untied(reader, torch.equal(part(decoder, table, model.tp_group).to(table), table))
    foreign.remove(weights.DECODER)


def _refuse_untied(reader: TensorReader, tied: bool) -> None:
    if not tied:
        raise UserError(
            f"{reader.folder} has a {weights.DECODER} that is not the embedding table, though config.json ties them; "
            "set tie_word_embeddings to false there if the decoder is right, else remove the tensor"
        )


def _refuse_foreign(folder: Path, foreign: set[str]) -> None:
    if foreign:
        raise UserError(f"{folder} has the tensor {min(foreign)}, which is no part of ModernBertForMaskedLM; remove it")
