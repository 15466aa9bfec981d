"""Correspondence of tensors: names and layouts of transformers' ModernBERT and of ours, whole and cut for tensor
parallelism."""

import torch

from conf.schema import EncoderConfig

WQKV = ".attn.Wqkv.weight"
TABLE, DECODER = "model.embeddings.tok_embeddings.weight", "decoder.weight"
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn.Wqkv": "self_attention.linear_qkv",
    "attn.Wo": "self_attention.linear_proj",
    "mlp_norm": "pre_mlp_layernorm",
    "mlp.Wi": "mlp.linear_fc1",
    "mlp.Wo": "mlp.linear_fc2",
}


def names(config: EncoderConfig) -> dict[str, str]:
    """Name of every tensor of a `ModernBertForMaskedLM` -> name of our parameter. A tied decoder has no tensor of its
    own."""
    found = {TABLE: "embedding.word_embeddings.weight", "model.embeddings.norm.weight": "embedding_norm.weight"}
    for layer in range(config.num_layers):
        for theirs, ours in _LAYER.items():
            if layer or theirs != "attn_norm":
                found[f"model.layers.{layer}.{theirs}.weight"] = f"encoder.layers.{layer}.{ours}.weight"
    found |= {"model.final_norm.weight": "encoder.final_layernorm.weight"}
    found |= {
        "head.dense.weight": "head.dense.weight",
        "head.norm.weight": "head.norm.weight",
        "decoder.bias": "output_layer.bias",
    }
    return found if config.tie_embeddings else found | {DECODER: "output_layer.weight"}


def shapes(config: EncoderConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of theirs."""
    hidden, rows = config.hidden_size, config.vocab_size
    sizes = {
        "tok_embeddings": (rows, hidden), "Wqkv": (3 * hidden, hidden), "attn.Wo": (hidden, hidden), "Wi": (2 * config.ffn_size, hidden),
        "mlp.Wo": (hidden, config.ffn_size), "dense": (hidden, hidden), "decoder": (rows, hidden),
    }  # fmt: skip
    found = {}
    for name in names(config):
        matrix = next((size for end, size in sizes.items() if name.endswith(f"{end}.weight")), (hidden,))
        found[name] = (rows,) if name == "decoder.bias" else matrix
    return found


def to_theirs(name: str, tensor: torch.Tensor, config: EncoderConfig) -> torch.Tensor:
    """A whole tensor of ours in the layout of theirs called `name`.

    They stack all queries, all keys, all values, `[3, h, d, H]`; Megatron-Core goes head by head, `[h, 3, d, H]`. `Wi`
    and `linear_fc1` both have the half that goes through the GELU first."""
    if name.endswith(WQKV):
        return tensor.view(config.num_heads, 3, -1, tensor.shape[1]).transpose(0, 1).reshape(tensor.shape)
    return tensor


def to_ours(name: str, tensor: torch.Tensor, config: EncoderConfig) -> torch.Tensor:
    """The inverse of `to_theirs`."""
    if name.endswith(WQKV):
        return tensor.view(3, config.num_heads, -1, tensor.shape[1]).transpose(0, 1).reshape(tensor.shape)
    return tensor


def whole(parameter: torch.Tensor, group: torch.distributed.ProcessGroup) -> torch.Tensor:
    """A copy of `parameter` on the CPU, put together from all ranks of the tensor-parallel `group`; every rank must
    call this.

    With a stride of s (2 for `linear_fc1`), each rank has its cut of each of s stacked matrices.
    """
    own = parameter.detach()
    if group.size() > 1 and getattr(parameter, "tensor_model_parallel", False):
        parts = [torch.empty_like(own) for _ in range(group.size())]
        torch.distributed.all_gather(parts, own.contiguous(), group)
        cuts = [part.chunk(parameter.partition_stride, dim=parameter.partition_dim) for part in parts]
        own = torch.cat([cut for stacked in zip(*cuts, strict=True) for cut in stacked], dim=parameter.partition_dim)
    return own.to("cpu", copy=True).contiguous()


def part(tensor: torch.Tensor, parameter: torch.Tensor, group: torch.distributed.ProcessGroup) -> torch.Tensor:
    """The cut of a whole `tensor` that belongs in this rank's `parameter`; the inverse of `whole`."""
    if group.size() == 1 or not getattr(parameter, "tensor_model_parallel", False):
        return tensor
    dim, rank = parameter.partition_dim, group.rank()
    return torch.cat(
        [stacked.chunk(group.size(), dim=dim)[rank] for stacked in tensor.chunk(parameter.partition_stride, dim=dim)],
        dim=dim,
    )


def whole_shape(parameter: torch.Tensor, group: torch.distributed.ProcessGroup) -> tuple[int, ...]:
    """Shape of `whole(parameter, group)`."""
    shape = list(parameter.shape)
    if getattr(parameter, "tensor_model_parallel", False):
        shape[parameter.partition_dim] *= group.size()
    return tuple(shape)
