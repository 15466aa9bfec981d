"""Parameters of a net that is cut over ranks: their names in the whole net, whole tensors out of parts, parts out of
whole tensors.

Tensor-parallel ranks cut a parameter along `partition_dim`; with a stride of s (2 for a gated `linear_fc1`) each has
its cut of each of s stacked matrices. Pipeline stages hold layers, which are counted from 0 on every stage."""

import re
from collections.abc import Sequence

import torch
import torch.distributed as dist

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


def is_cut(parameter: torch.Tensor, group: dist.ProcessGroup) -> bool:
    """Whether each rank of the tensor-parallel `group` has a part of `parameter` of its own."""
    return group.size() > 1 and getattr(parameter, "tensor_model_parallel", False)


def whole(parameter: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
    """A copy of `parameter` on the CPU, put together from all ranks of the tensor-parallel `group`; every rank must
    call this."""
    own = parameter.detach()
    if is_cut(parameter, group):
        parts = [torch.empty_like(own) for _ in range(group.size())]
        dist.all_gather(parts, own.contiguous(), group)
        own = _joined(parts, parameter)
    return own.to("cpu", copy=True).contiguous()


def gather_whole(parameter: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
    """`parameter` put together on the first rank of the tensor-parallel `group`, where it is; every rank must call
    this.

    Others get their own part back. It is no copy where there is one rank.
    """
    own = parameter.detach()
    if not is_cut(parameter, group):
        return own
    if group.rank():
        dist.gather(own.contiguous(), None, group=group, group_dst=0)
        return own
    if (
        parameter.partition_dim == 0 and parameter.partition_stride == 1
    ):  # parts arrive where they belong: the table is the largest
        joined = own.new_empty(len(own) * group.size(), *own.shape[1:])
        dist.gather(own.contiguous(), list(joined.chunk(group.size())), group=group, group_dst=0)
        return joined
    parts = [torch.empty_like(own) for _ in range(group.size())]
    dist.gather(own.contiguous(), parts, group=group, group_dst=0)
    return _joined(parts, parameter)


def part(tensor: torch.Tensor, parameter: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
    """The cut of a whole `tensor` that belongs in this rank's `parameter`; the inverse of `whole`."""
    if not is_cut(parameter, group):
        return tensor
    dim = parameter.partition_dim
    stacked = tensor.chunk(parameter.partition_stride, dim=dim)
    return torch.cat([matrix.chunk(group.size(), dim=dim)[group.rank()] for matrix in stacked], dim=dim)


def whole_shape(parameter: torch.Tensor, group: dist.ProcessGroup) -> tuple[int, ...]:
    """Shape of `whole(parameter, group)`."""
    shape = list(parameter.shape)
    if is_cut(parameter, group):
        shape[parameter.partition_dim] *= group.size()
    return tuple(shape)


def _joined(parts: Sequence[torch.Tensor], parameter: torch.Tensor) -> torch.Tensor:
    """The whole tensor of which `parts` are the cuts that each rank has of `parameter`."""
    dim = parameter.partition_dim
    cuts = [part.chunk(parameter.partition_stride, dim=dim) for part in parts]
    return torch.cat([cut for stacked in zip(*cuts, strict=True) for cut in stacked], dim=dim)
