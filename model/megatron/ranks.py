"""What the ranks of a job tell each other outside the arithmetic. Every function here is collective: all ranks call
it."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from megatron.core import parallel_state

from common.disk import explained
from common.errors import AlreadyReported, UserError
from model.megatron import startup

T = TypeVar("T")


def place() -> tuple[int, int]:
    """Rank of this process and the number of ranks; (0, 1) for a process that has not been started as one. Not
    collective."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def is_first() -> bool:
    """Whether this process is rank 0, the one that writes and speaks. Not collective."""
    return place()[0] == 0


def data_rank() -> tuple[int, int]:
    """Place of this rank among the data-parallel ranks, and their number. Not collective."""
    return parallel_state.get_data_parallel_rank(), parallel_state.get_data_parallel_world_size()


def stage() -> tuple[bool, bool]:
    """Whether this rank holds the first, the last stage of the pipeline. Not collective."""
    return parallel_state.is_pipeline_first_stage(), parallel_state.is_pipeline_last_stage()


def barrier() -> None:
    """Wait for all ranks."""
    if place()[1] > 1:
        dist.barrier()


def on_first(function: Callable[[], T]) -> T:
    """``function()`` on rank 0; every rank returns what it returned (picklable), or raises the UserError that it
    raised.

    Rank 0 raises it itself, the others a `AlreadyReported`. An error of the disk (`common.disk`) counts as a UserError.
    """
    if place()[1] == 1:
        return function()
    result, error = None, None
    if is_first():
        try:
            result = function()
        except UserError as raised:
            error = raised
        except OSError as raised:
            if not (error := explained(raised)):
                raise
    shared: list[Any] = [result, error and str(error)]
    dist.broadcast_object_list(shared, src=0)
    if error:
        raise error
    if shared[1] is not None:
        raise AlreadyReported(shared[1])
    return shared[0]


def any_rank(flag: bool) -> bool:
    """Whether ``flag`` is set on any rank."""
    if place()[1] == 1:
        return flag
    found = torch.tensor(int(flag), device=startup.world().device)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return bool(found)


def gather(value: T) -> list[T]:
    """``value`` (picklable) of every rank, by rank."""
    size = place()[1]
    found: list[Any] = [value] * size
    if size > 1:
        dist.all_gather_object(found, value)
    return found


def gather_stages(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """``tensors`` (on the CPU) of all pipeline stages in one dictionary, on rank 0; elsewhere what this stage has."""
    group = parallel_state.get_pipeline_model_parallel_group()
    if group.size() == 1 or parallel_state.get_pipeline_model_parallel_first_rank() != 0:
        return tensors
    stages: list[Any] | None = [None] * group.size() if is_first() else None
    dist.gather_object(tensors, stages, dst=0, group=group)
    return {name: tensor for stage in stages for name, tensor in stage.items()} if stages else tensors
