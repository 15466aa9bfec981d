"""Names of parameters in the whole net, whatever part of it this rank holds."""

import re

import torch

_LAYER = re.compile(r"(\w+)\.layers\.(\d+)\.(.+)")


def global_names(net: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Parameters of this pipeline stage by their names in the whole net, where layers are counted from 0 at its first.

    `net`: an encoder or a decoder. The copy of a tied table on the last stage keeps the name of the head,
    `output_layer.weight`."""
    return {_global_name(net, name): parameter for name, parameter in net.named_parameters()}


def _global_name(net: torch.nn.Module, name: str) -> str:
    if not (match := _LAYER.fullmatch(name)):
        return name
    block, number, rest = match.groups()
    layer = net.get_submodule(f"{block}.layers.{number}")
    return f"{block}.layers.{layer.layer_number - 1}.{rest}"
