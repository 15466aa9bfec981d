"""Correspondence of tensors: names and layouts of transformers' decoders and of ours, whole and cut for tensor
parallelism.

One parameter of ours holds one to three tensors of theirs: `linear_qkv` queries, keys and values, `linear_fc1` gate and
up. A `Block` is a range of rows and columns of a tensor of theirs and its place in this rank's parameter; import reads
blocks, export writes tensors whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from conf.families import DECODERS
from conf.families.record import QKV
from conf.schema import DecoderConfig

TABLE, HEAD = "embedding.word_embeddings.weight", "output_layer.weight"
THEIR_TABLE, THEIR_HEAD = "model.embed_tokens.weight", "lm_head.weight"
_VOCABULARY = (TABLE, HEAD, "output_layer.bias")


@dataclass(frozen=True)
class Block:
    """Part of a tensor of theirs that lies in this rank's parameter."""

    theirs: str
    """Name of their tensor."""
    rows: tuple[int, int]
    """From, to: along the first dimension of their tensor."""
    columns: tuple[int, int] | None
    """Along the second; None for all of it, or where there is none."""
    place: Callable[[torch.Tensor], torch.Tensor]
    """The view of this rank's parameter that the block fills, of the block's shape (its rows perhaps in two
    dimensions)."""


def names(config: DecoderConfig) -> dict[str, tuple[str, ...]]:
    """Name of every parameter of ours -> names of the tensors of a `...ForCausalLM` that it holds, in the order of the
    net.

    A tied head has no tensor of its own.
    """
    family = DECODERS[config.architecture]
    pairs = {TABLE: (THEIR_TABLE,)}
    for number in range(config.num_layers):
        for ours, theirs in family.layer.items():
            for leaf in family.leaves(ours):
                pairs[f"decoder.layers.{number}.{ours}.{leaf}"] = tuple(
                    f"model.layers.{number}.{name}.{leaf}" for name in theirs
                )
    for leaf in family.leaves("final_layernorm"):
        pairs[f"decoder.final_layernorm.{leaf}"] = (f"model.{family.final_norm}.{leaf}",)
    for leaf in family.leaves("output_layer"):
        if leaf == "bias" or not config.tie_embeddings:
            pairs[f"output_layer.{leaf}"] = (f"lm_head.{leaf}",)
    return pairs


def shapes(config: DecoderConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of theirs."""
    hidden, head, ffn = config.hidden_size, config.head_width, config.ffn_size
    queries, keys = config.num_heads * head, config.num_kv_heads * head
    normed_together = DECODERS[config.architecture].qk_norm == "width"
    rows = {
        "embed_tokens": config.vocab_size, "lm_head": config.vocab_size, "q_proj": queries, "k_proj": keys,
        "v_proj": keys, "gate_proj": ffn, "up_proj": ffn, "fc1": ffn, "q_norm": queries if normed_together else head,
        "k_norm": keys if normed_together else head,
    }  # fmt: skip
    columns = {"o_proj": queries, "dense": queries, "down_proj": ffn, "fc2": ffn}
    sizes = {}
    for theirs in names(config).values():
        for name in theirs:
            module, leaf = name.split(".")[-2:]
            is_vector = leaf == "bias" or module.endswith("norm")
            height = rows.get(module, hidden)
            sizes[name] = (height,) if is_vector else (height, columns.get(module, hidden))
    return sizes


def has_vocabulary(ours: str) -> bool:
    """Whether a parameter of ours has a row for every token, and rows that fill."""
    return ours in _VOCABULARY


def to_theirs(ours: str, tensor: torch.Tensor, config: DecoderConfig) -> tuple[torch.Tensor, ...]:
    """A whole parameter of ours as the tensors of theirs, in the order of `names`; views where that is possible.

    Megatron-Core's `linear_qkv` goes by heads of keys: for each its heads of queries, `num_heads / num_kv_heads`, then
    the key, the value.
    """
    if QKV in ours:
        grouped = tensor.view(config.num_kv_heads, -1, config.head_width, *tensor.shape[1:])
        parts = grouped[:, :-2], grouped[:, -2], grouped[:, -1]
        return tuple(part.reshape(-1, *tensor.shape[1:]) for part in parts)
    if has_vocabulary(ours):
        return (tensor[: config.vocab_size],)
    return tensor.chunk(len(names(config)[ours]))


def blocks(ours: str, parameter: torch.Tensor, config: DecoderConfig, rank: int, size: int) -> Iterator[Block]:
    """What tensor-parallel rank `rank` of `size` has in `parameter`, called `ours`, block by block. Rows that fill
    belong to no block."""
    theirs = names(config)[TABLE if ours == HEAD and config.tie_embeddings else ours]
    if QKV in ours:
        yield from _qkv_blocks(theirs, config, rank, size)
        return
    if len(theirs) == 2:  # a gated linear_fc1
        part = config.ffn_size // size
        for index, name in enumerate(theirs):
            yield Block(name, (rank * part, (rank + 1) * part), None, _rows(index * part, (index + 1) * part))
        return
    if has_vocabulary(ours):
        start = rank * len(parameter)
        count = max(0, min(config.vocab_size - start, len(parameter)))
        if count:
            yield Block(theirs[0], (start, start + count), None, _rows(0, count))
        return
    is_cut = getattr(parameter, "tensor_model_parallel", False) and size > 1
    if is_cut and parameter.partition_dim == 1:
        width = parameter.shape[1]
        yield Block(theirs[0], (0, len(parameter)), (rank * width, (rank + 1) * width), _rows(0, len(parameter)))
    else:
        start = rank * len(parameter) if is_cut else 0
        yield Block(theirs[0], (start, start + len(parameter)), None, _rows(0, len(parameter)))


def _qkv_blocks(theirs: tuple[str, ...], config: DecoderConfig, rank: int, size: int) -> Iterator[Block]:
    """Queries, keys and values of this rank's heads of keys."""
    groups, each = config.num_kv_heads // size, config.num_heads // config.num_kv_heads

    def place(select: slice) -> Callable[[torch.Tensor], torch.Tensor]:
        def view(parameter: torch.Tensor) -> torch.Tensor:
            return parameter.view(groups, each + 2, config.head_width, *parameter.shape[1:])[:, select]

        return view

    selects = slice(0, -2), slice(-2, -1), slice(-1, None)
    for name, heads, select in zip(theirs, (each, 1, 1), selects, strict=True):
        rows = groups * heads * config.head_width
        yield Block(name, (rank * rows, (rank + 1) * rows), None, place(select))


def _rows(start: int, stop: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda parameter: parameter[start:stop]
