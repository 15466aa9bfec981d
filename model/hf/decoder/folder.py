"""Decoders to and from Hugging Face: folders that transformers' `AutoModelForCausalLM` computes the same logits from.

Both ways go tensor by tensor: beyond the net itself no more is in memory than the largest tensor, whatever the size of
the model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist

from common.errors import AlreadyReported, UserError
from common.files import make_folder
from common.progress import say
from conf.schema import DecoderConfig
from model.hf.decoder import config as configs
from model.hf.decoder import weights
from model.hf.decoder.checks import refuse_broken, refuse_broken_tensors
from model.hf.decoder.weights import HEAD, THEIR_HEAD, THEIR_TABLE
from model.hf.tensors import SHARD_BYTES, TensorReader, TensorWriter
from model.hf.tokenizer import DECODER_ROLES, copy_tokenizer, write_generation
from model.megatron import ranks
from model.nets.decoder import Decoder
from model.nets.lora import merged
from model.nets.sharding import gather_whole, global_names
from model.shapes import padded_vocab

_OLD_BUFFER = "rotary_emb.inv_freq"
"""Kept beside the weights by old versions of transformers; it follows from config.json."""


def export_decoder(
    net: Decoder,
    config: DecoderConfig,
    folder: str | Path,
    tokenizer_folder: str | Path | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write `net` to `folder`: weights (safetensors), config.json, generation_config.json, the tokenizer's files.

    The weights keep their precision; low-rank pairs are added in; rows that fill the vocabulary stay behind. `config`
    is the net's but for what it may have become by now (`rope_theta`, `rope_scaling`, `max_positions`). All ranks must
    call this; rank 0 writes. Raises UserError for a net that the family's class in transformers cannot be, and for one
    that is broken (see `refuse_broken`)."""
    dtype = net.config.params_dtype
    configs.to_theirs(config, _name(dtype))  # refuse before anything is written
    if config.tie_embeddings != net.share_embeddings_and_output_weights:
        raise UserError(
            f"model.tie_embeddings={config.tie_embeddings} is not what the net was built with; give its own"
            " configuration"
        )
    refuse_broken(net, config, "the net cannot be exported")
    ranks.on_first(lambda: _write_settings(config, dtype, make_folder(folder), tokenizer_folder))
    if ranks.is_first():
        with TensorWriter(Path(folder), weights.shapes(config), dtype, shard_bytes) as writer:
            for ours, tensor in _whole_tensors(net, config):
                for theirs, part in zip(
                    weights.names(config)[ours], weights.to_theirs(ours, tensor, config), strict=True
                ):
                    writer.write(theirs, part)
    elif ranks.data_rank()[0] == 0:
        for _ in _whole_tensors(net, config):
            pass
    ranks.barrier()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _write_settings(
    config: DecoderConfig, dtype: torch.dtype, folder: Path, tokenizer_folder: str | Path | None
) -> None:
    """Everything but the weights."""
    source = Path(tokenizer_folder) if tokenizer_folder else None
    ids = copy_tokenizer(source, folder, config.max_positions, DECODER_ROLES) if source else {}
    configs.write_config(config, folder, _name(dtype), ids)
    write_generation(folder, ids, source)


@torch.no_grad()
def _whole_tensors(net: Decoder, config: DecoderConfig) -> Iterator[tuple[str, torch.Tensor]]:
    """Every parameter of the net, in the order of `names`, whole: on rank 0. Others of its tensor-parallel and pipeline
    ranks get a bare part or nothing, and must iterate with it."""
    own = {whole: name for name, whole in _local_names(net).items()}
    stages: list[set[str]] = [set()] * net.pp_group.size()
    dist.all_gather_object(stages, set(own), group=net.pp_group)
    for ours in weights.names(config):
        stage = next(number for number, held in enumerate(stages) if ours in held)
        tensor = gather_whole(merged(net, own[ours]), net.tp_group) if ours in own else torch.empty(0)
        if stage and net.tp_group.rank() == 0:
            if net.pp_group.rank() == stage:
                dist.send(tensor.contiguous(), group=net.pp_group, group_dst=0)
            elif net.pp_group.rank() == 0:
                device = next(net.parameters()).device
                tensor = torch.empty(_whole_shape(ours, config), dtype=net.config.params_dtype, device=device)
                dist.recv(tensor, group=net.pp_group, group_src=stage)
        yield ours, tensor


def _local_names(net: Decoder) -> dict[str, str]:
    """Name of every parameter of this stage -> its name in the whole net."""
    return dict(zip((name for name, _ in net.named_parameters()), global_names(net), strict=True))


def _whole_shape(ours: str, config: DecoderConfig) -> tuple[int, ...]:
    """Shape of a whole parameter of ours."""
    theirs = [weights.shapes(config)[name] for name in weights.names(config)[ours]]
    rows = padded_vocab(config) if weights.has_vocabulary(ours) else sum(shape[0] for shape in theirs)
    return rows, *theirs[0][1:]


def load_weights(net: Decoder, config: DecoderConfig, folder: str | Path) -> None:
    """Fill `net`, built for `config`, with the weights in `folder`: on each rank its own rows and columns, in the
    precision of the net.

    Rows that fill the vocabulary become zero; low-rank pairs stay as they are. A head beside a tied table is left out
    where it is all zero (transformers 5 would take it, and predict nothing). All ranks must call this. Raises
    UserError, naming file and tensor, where the folder has another net, or a broken one."""
    with _checked(config, Path(folder)) as reader:
        _fill(net, config, reader)
    refuse_broken(net, config, f"{folder} cannot be used")


@contextmanager
def _checked(config: DecoderConfig, folder: Path) -> Iterator[TensorReader]:
    """A reader of the tensors of a net of ``config``. Raises UserError where ``folder`` has others."""
    shapes = weights.shapes(config)
    with TensorReader(folder, f"a {config.architecture} ...ForCausalLM") as reader:
        for name, shape in shapes.items():
            reader.check(name, shape)
        foreign = {name for name in reader.names() - shapes.keys() if not name.endswith(_OLD_BUFFER)}
        if config.tie_embeddings and THEIR_HEAD in foreign:
            reader.check(THEIR_HEAD, shapes[THEIR_TABLE])
            _check_tied(reader, config)
            foreign.remove(THEIR_HEAD)
        if foreign:
            raise UserError(f"{folder} has the tensor {min(foreign)}, which is no part of {reader.model}; remove it")
        yield reader


def check_tensors(config: DecoderConfig, folder: str | Path) -> None:
    """Raise UserError, without a net, for what `load_weights` refuses."""
    with _checked(config, Path(folder)) as reader:
        refuse_broken_tensors(reader, config, f"{folder} cannot be used")


@torch.no_grad()
def _fill(net: Decoder, config: DecoderConfig, reader: TensorReader) -> None:
    known = weights.names(config).keys() | {HEAD}
    for ours, parameter in global_names(net).items():
        if ours not in known:
            continue
        if weights.has_vocabulary(ours):
            parameter.zero_()
        for block in weights.blocks(ours, parameter, config, net.tp_group.rank(), net.tp_group.size()):
            place = block.place(parameter)
            place.copy_(reader.part(block.theirs, block.rows, block.columns).reshape(place.shape))


def _check_tied(reader: TensorReader, config: DecoderConfig) -> None:
    """Raise UserError, on all ranks alike, where a head beside a tied table is another matrix; say so where it is all
    zero."""
    same, zero = True, True
    if ranks.is_first():
        for start in range(0, config.vocab_size, 4096):
            rows = start, min(start + 4096, config.vocab_size)
            head = reader.part(THEIR_HEAD, rows)
            zero = zero and not bool(head.any())
            same = same and torch.equal(head, reader.part(THEIR_TABLE, rows))
            if not (same or zero):
                break
    same, zero = ranks.on_first(lambda: (same, zero))
    if zero and not same:
        say(
            f"warning: {reader.folder} has a {THEIR_HEAD} that is all zero, though config.json ties it to the embedding"
            " table; the table is used"
        )
    elif not same:
        raise (UserError if ranks.is_first() else AlreadyReported)(
            f"{reader.folder} has a {THEIR_HEAD} that is not the embedding table, though config.json ties them; "
            "set tie_word_embeddings to false there if the head is right, else remove the tensor"
        )
