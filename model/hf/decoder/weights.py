"""Correspondence of tensors: names and layouts of transformers' decoders and of ours, whole and cut for tensor
parallelism.

One parameter of ours holds one to three tensors of theirs: `linear_qkv` queries, keys and values, `linear_fc1` gate and
up. A `Block` is a range of rows and columns of a tensor of theirs and its place in this rank's parameter; import reads
blocks, export writes tensors whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from conf.schema import DecoderConfig

TABLE, HEAD = "embedding.word_embeddings.weight", "output_layer.weight"
THEIR_TABLE, THEIR_HEAD = "model.embed_tokens.weight", "lm_head.weight"
_QKV = "self_attention.linear_qkv"
_FC1 = "mlp.linear_fc1"
_VOCABULARY = (TABLE, HEAD, "output_layer.bias")
_LAYER = {
    "input_layernorm": ("input_layernorm",),
    _QKV: ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention.linear_proj": ("self_attn.o_proj",),
    "pre_mlp_layernorm": ("post_attention_layernorm",),
    _FC1: ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.linear_fc2": ("mlp.down_proj",),
}
_PHI_LAYER = {
    "input_layernorm": ("input_layernorm",),
    _QKV: ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention.linear_proj": ("self_attn.dense",),
    _FC1: ("mlp.fc1",),
    "mlp.linear_fc2": ("mlp.fc2",),
}
_QK_NORM = {"self_attention.q_layernorm": ("self_attn.q_norm",), "self_attention.k_layernorm": ("self_attn.k_norm",)}


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
    phi, biased = config.architecture == "phi", config.architecture in ("phi", "qwen2")
    layer = _PHI_LAYER if phi else _LAYER | _QK_NORM if config.architecture == "qwen3" else _LAYER
    found = {TABLE: (THEIR_TABLE,)}
    for number in range(config.num_layers):
        for ours, theirs in layer.items():
            for kind in ("weight", "bias") if phi or (biased and ours == _QKV) else ("weight",):
                found[f"decoder.layers.{number}.{ours}.{kind}"] = tuple(
                    f"model.layers.{number}.{name}.{kind}" for name in theirs
                )
    for kind in ("weight", "bias") if phi else ("weight",):
        found[f"decoder.final_layernorm.{kind}"] = (f"model.{'final_layernorm' if phi else 'norm'}.{kind}",)
    if not config.tie_embeddings:
        found[HEAD] = (THEIR_HEAD,)
    return found | ({"output_layer.bias": ("lm_head.bias",)} if phi else {})


def shapes(config: DecoderConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of theirs."""
    hidden, head, ffn = config.hidden_size, config.head_width, config.ffn_size
    queries, keys = config.num_heads * head, config.num_kv_heads * head
    rows = {
        "embed_tokens": config.vocab_size, "lm_head": config.vocab_size, "q_proj": queries, "k_proj": keys, "v_proj": keys,
        "gate_proj": ffn, "up_proj": ffn, "fc1": ffn, "q_norm": head, "k_norm": head,
    }  # fmt: skip
    columns = {"o_proj": queries, "dense": queries, "down_proj": ffn, "fc2": ffn}
    found = {}
    for theirs in names(config).values():
        for name in theirs:
            module, kind = name.split(".")[-2:]
            one = kind == "bias" or module.endswith("norm")
            found[name] = (
                (rows.get(module, hidden),) if one else (rows.get(module, hidden), columns.get(module, hidden))
            )
    return found


def has_vocabulary(ours: str) -> bool:
    """Whether a parameter of ours has a row for every token, and rows that fill."""
    return ours in _VOCABULARY


def to_theirs(ours: str, tensor: torch.Tensor, config: DecoderConfig) -> tuple[torch.Tensor, ...]:
    """A whole parameter of ours as the tensors of theirs, in the order of `names`; views where that is possible.

    Megatron-Core's `linear_qkv` goes by heads of keys: for each its heads of queries, `num_heads / num_kv_heads`, then
    the key, the value."""
    if _QKV in ours:
        grouped = tensor.view(config.num_kv_heads, -1, config.head_width, *tensor.shape[1:])
        parts = grouped[:, :-2], grouped[:, -2], grouped[:, -1]
        return tuple(part.reshape(-1, *tensor.shape[1:]) for part in parts)
    if _FC1 in ours and config.architecture != "phi":
        return tensor.chunk(2)
    return (tensor[: config.vocab_size],) if has_vocabulary(ours) else (tensor,)


def blocks(ours: str, parameter: torch.Tensor, config: DecoderConfig, rank: int, size: int) -> Iterator[Block]:
    """What tensor-parallel rank `rank` of `size` has in `parameter`, called `ours`, block by block. Rows that fill
    belong to no block."""
    theirs = names(config)[TABLE if ours == HEAD and config.tie_embeddings else ours]
    if _QKV in ours:
        yield from _qkv_blocks(theirs, config, rank, size)
        return
    if _FC1 in ours and len(theirs) == 2:
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
    cut, dim = getattr(parameter, "tensor_model_parallel", False) and size > 1, getattr(parameter, "partition_dim", 0)
    if cut and dim == 1:
        width = parameter.shape[1]
        yield Block(theirs[0], (0, len(parameter)), (rank * width, (rank + 1) * width), _rows(0, len(parameter)))
    else:
        start = rank * len(parameter) if cut else 0
        yield Block(theirs[0], (start, start + len(parameter)), None, _rows(0, len(parameter)))


def _qkv_blocks(theirs: tuple[str, ...], config: DecoderConfig, rank: int, size: int) -> Iterator[Block]:
    """Queries, keys and values of this rank's heads of keys."""
    groups, each = config.num_kv_heads // size, config.num_heads // config.num_kv_heads

    def place(select: slice) -> Callable[[torch.Tensor], torch.Tensor]:
        def view(parameter: torch.Tensor) -> torch.Tensor:
            return parameter.view(groups, each + 2, config.head_width, *parameter.shape[1:])[:, select]

        return view

    for name, heads, select in zip(theirs, (each, 1, 1), (slice(0, -2), slice(-2, -1), slice(-1, None)), strict=True):
        rows = groups * heads * config.head_width
        yield Block(name, (rank * rows, (rank + 1) * rows), None, place(select))


def _rows(start: int, stop: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda parameter: parameter[start:stop]
