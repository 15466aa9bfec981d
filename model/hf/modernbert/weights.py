"""Correspondence of tensors: names and layouts of transformers' ModernBERT and of ours."""

import torch

from conf.families import ENCODERS
from conf.schema import EncoderConfig

WQKV = ".attn.Wqkv.weight"
TABLE, DECODER = "model.embeddings.tok_embeddings.weight", "decoder.weight"


def names(config: EncoderConfig) -> dict[str, str]:
    """Name of every tensor of a `ModernBertForMaskedLM` -> name of our parameter. A tied decoder has no tensor of its
    own."""
    pairs = {TABLE: "embedding.word_embeddings.weight", "model.embeddings.norm.weight": "embedding_norm.weight"}
    for layer in range(config.num_layers):
        for ours, (theirs,) in ENCODERS[config.architecture].layer.items():
            if layer or ours != "input_layernorm":
                pairs[f"model.layers.{layer}.{theirs}.weight"] = f"encoder.layers.{layer}.{ours}.weight"
    pairs |= {"model.final_norm.weight": "encoder.final_layernorm.weight", "head.dense.weight": "head.dense.weight"}
    pairs |= {"head.norm.weight": "head.norm.weight", "decoder.bias": "output_layer.bias"}
    return pairs if config.tie_embeddings else pairs | {DECODER: "output_layer.weight"}


def shapes(config: EncoderConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of theirs."""
    hidden, rows = config.hidden_size, config.vocab_size
    matrices = {
        "tok_embeddings": (rows, hidden), "Wqkv": (3 * hidden, hidden), "attn.Wo": (hidden, hidden),
        "Wi": (2 * config.ffn_size, hidden), "mlp.Wo": (hidden, config.ffn_size), "dense": (hidden, hidden),
        "decoder": (rows, hidden),
    }  # fmt: skip
    sizes = {}
    for name in names(config):
        size = next((size for end, size in matrices.items() if name.endswith(f"{end}.weight")), (hidden,))
        sizes[name] = (rows,) if name == "decoder.bias" else size
    return sizes


def to_theirs(name: str, tensor: torch.Tensor, config: EncoderConfig) -> torch.Tensor:
    """A whole tensor of ours in the layout of theirs called `name`.

    They stack all queries, all keys, all values, `[3, h, d, H]`; Megatron-Core goes head by head, `[h, 3, d, H]`. `Wi`
    and `linear_fc1` both have the half that goes through the GELU first.
    """
    if name.endswith(WQKV):
        return tensor.view(config.num_heads, 3, -1, tensor.shape[1]).transpose(0, 1).reshape(tensor.shape)
    return tensor


def to_ours(name: str, tensor: torch.Tensor, config: EncoderConfig) -> torch.Tensor:
    """The inverse of `to_theirs`."""
    if name.endswith(WQKV):
        return tensor.view(3, config.num_heads, -1, tensor.shape[1]).transpose(0, 1).reshape(tensor.shape)
    return tensor
