"""Weights that Megatron-LM has written, for a net of ours: the same layers, stored under slightly other names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from megatron.core.dist_checkpointing.dict_utils import nested_values
from megatron.core.dist_checkpointing.mapping import ShardedTensor, ShardedTensorFactory

from common.errors import UserError
from model.megatron.checkpoint_io import load_tensors
from model.megatron.metadata import read_metadata

Leaf = ShardedTensor | ShardedTensorFactory
_STACKED = "decoder.layers.self_attention.linear_proj.weight"
"""There only where all layers are stored as one tensor, with a first dimension of layers."""
_FUSED = {
    "input_layernorm.": "self_attention.linear_qkv.layer_norm_",
    "pre_mlp_layernorm.": "mlp.linear_fc1.layer_norm_",
}
"""Our name of a norm -> that of Transformer Engine, which has it in the linear layer that comes next, and under which
it is stored."""
_NOT_THE_NET = ("optimizer.", "rng_state", "rerun_state")


def load_megatron_lm(folder: str | Path, net: torch.nn.Module) -> None:
    """Fill the decoder `net` from a checkpoint in Megatron-Core's distributed format, such as Megatron-LM's
    `iter_0001000`.

    Layers may be stored stacked or one by one, norms under their own names or fused; the vocabulary may be filled up to
    another multiple. All ranks must call this. Raises UserError naming the tensor where the folder has another net."""
    metadata = read_metadata(folder, objects=True)
    saved = {key: tuple(entry.size) for key, entry in metadata.state_dict_metadata.items()}
    with _stacked(net, _STACKED in saved):
        state = net.sharded_state_dict()
    wanted = {key: leaf for key, leaf in state.items() if isinstance(leaf, Leaf)}
    for leaf in wanted.values():
        leaf.key = next((name for name in _names(leaf.key) if name in saved), leaf.key)
    _check(folder, saved, wanted, net)
    loaded = load_tensors(wanted, folder, metadata)
    net.load_state_dict(loaded, strict=False)
    _clear_filling(net)


@contextmanager
def _stacked(net: torch.nn.Module, stacked: bool) -> Iterator[None]:
    """Have the layers of `net` named for a checkpoint as one stack."""
    before = net.config.hetereogenous_dist_checkpoint
    net.config.hetereogenous_dist_checkpoint = not stacked
    try:
        yield
    finally:
        net.config.hetereogenous_dist_checkpoint = before


def _names(key: str) -> Iterator[str]:
    """Names under which a parameter of ours may be stored."""
    yield key
    for ours, fused in _FUSED.items():
        if ours in key:
            yield key.replace(ours, fused)


def _check(
    folder: str | Path, saved: dict[str, tuple[int, ...]], wanted: dict[str, Leaf], net: torch.nn.Module
) -> None:
    """Raise UserError where the checkpoint does not hold exactly the tensors of the net."""
    hint = "set model.* to the shape of the net that was trained there"
    parts = [
        part
        for leaf in wanted.values()
        for part in nested_values([leaf.build() if isinstance(leaf, ShardedTensorFactory) else leaf])
    ]
    for part in parts:
        found, shape = saved.get(part.key), tuple(part.global_shape)
        if found is None:
            raise UserError(f"{folder} holds another net: it has no tensor {part.key} {list(shape)}; {hint}")
        rows = net.decoder_config.vocab_size if part.allow_shape_mismatch else shape[0]
        if found[1:] != shape[1:] or (found[0] < rows if part.allow_shape_mismatch else found[0] != rows):
            raise UserError(
                f"{folder} holds another net: {part.key} is {list(found)} there and {list(shape)} here; {hint}"
            )
    if net.pre_process and net.post_process:
        keys = {part.key for part in parts}
        for key in sorted(saved):
            if key not in keys and not key.startswith(_NOT_THE_NET):
                raise UserError(
                    f"{folder} holds another net: its tensor {key} {list(saved[key])} does not exist here; {hint}"
                )


@torch.no_grad()
def _clear_filling(net: torch.nn.Module) -> None:
    """Make rows that fill the vocabulary zero, as they are in every net of ours."""
    parameters = dict(net.named_parameters())
    for name in ("embedding.word_embeddings.weight", "output_layer.weight", "output_layer.bias"):
        if name in parameters:
            rows = net.decoder_config.vocab_size - net.tp_group.rank() * len(parameters[name])
            parameters[name][max(rows, 0) :].zero_()
