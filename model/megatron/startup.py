"""Start-up of a training process: process groups, parallel layout, seeds, threads."""

import dataclasses
import itertools
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed
from megatron.core import parallel_state
from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed

from common.environment import Ranks, read_ranks, resolve_threads
from common.errors import UserError
from common.progress import hush
from conf.schema import ParallelConfig
from model.megatron import cpu
from model.shapes import check_ranks


@dataclass(frozen=True)
class World:
    """Place of this process, after `start`."""

    rank: int
    """0 to size - 1."""
    size: int
    """Processes of the job."""
    local_rank: int
    """Rank among the processes on this machine."""
    device: torch.device
    """Where this process computes."""


_started: tuple[World, ParallelConfig] | None = None
_starts = itertools.count()


def start(parallel: ParallelConfig, seed: int) -> World:
    """Make this process one rank of the job and seed everything random.

    Alone, the process meets nobody and opens no port; under torchrun, srun or submitit it meets the others. gloo on the
    CPU, NCCL on CUDA. Called again with the same layout it only seeds again. Raises UserError where the layout does not
    fit the job or is not the one started."""
    global _started
    layout = _layout(parallel)
    if _started is None:
        ranks = read_ranks()
        if ranks.rank:
            hush()
        check_ranks(parallel, ranks.size)
        cpu.install()
        device = _device(ranks)
        _join(ranks, device)
        parallel_state.initialize_model_parallel(
            parallel.tensor, parallel.pipeline, context_parallel_size=parallel.context
        )
        _started = World(ranks.rank, ranks.size, ranks.local_rank, device), parallel
    here, former = _started
    if _layout(former) != layout:
        raise UserError(
            f"parallel.tensor, parallel.pipeline, parallel.context of this process are {_layout(former)} and cannot"
            f" become {layout}; start another"
        )
    _started = here, dataclasses.replace(parallel)
    set_threads(parallel.threads)
    seed_all(seed)
    return here


def stop() -> None:
    """Leave the process groups, so that `start` may be called with another layout. Does nothing before `start`."""
    global _started
    if _started is not None:
        parallel_state.destroy_model_parallel()
        torch.distributed.destroy_process_group()
        _started = None


@contextmanager
def alone(seed: int) -> Iterator[None]:
    """In a process that has not started: one rank for as long as the block takes. In one that has, nothing."""
    if _started is not None:
        yield
        return
    start(ParallelConfig(), seed)
    try:
        yield
    finally:
        stop()


def world() -> World:
    """What `start` returned. Raises RuntimeError before it."""
    return _state()[0]


def parallel() -> ParallelConfig:
    """What `start` was given last. Raises RuntimeError before it."""
    return _state()[1]


def _state() -> tuple[World, ParallelConfig]:
    if _started is None:
        raise RuntimeError("call model.megatron.startup.start first")
    return _started


def _layout(parallel: ParallelConfig) -> tuple[int, int, int]:
    return parallel.tensor, parallel.pipeline, parallel.context


def computes_bf16() -> bool:
    """Whether the device of this process is a GPU with units for bf16."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def seed_all(seed: int) -> None:
    """Seed python, numpy, torch and Megatron-Core's generators. Stages of a pipeline differ, data-parallel ranks do
    not."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    seed_dropout(seed)


def seed_dropout(seed: int, by_context: bool = False) -> None:
    """Seed torch and Megatron-Core's generators alone: those that initial weights and dropout are drawn from.

    `by_context`: ranks that share packs, which have the same weights but other tokens, are to draw differently.
    """
    seed += 100 * parallel_state.get_pipeline_model_parallel_rank()
    if by_context:
        seed += 10_000 * parallel_state.get_context_parallel_rank()
    torch.manual_seed(seed)
    model_parallel_cuda_manual_seed(seed)


def set_threads(threads: int) -> None:
    """Fix the number of CPU threads, and with it the order in which sums are taken; on the CPU insist on deterministic
    algorithms."""
    os.environ.update(
        OMP_DYNAMIC="FALSE", MKL_DYNAMIC="FALSE"
    )  # for children; torch.set_num_threads does the same here and now
    torch.set_num_threads(resolve_threads(threads))
    if not torch.cuda.is_available():
        torch.set_deterministic_debug_mode(
            "error"
        )  # torch.use_deterministic_algorithms would load the compiler beside it
        torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid that costs time


def _device(ranks: Ranks) -> torch.device:
    """The CPU, or this rank's GPU (a machine may show each rank only its own)."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if count > 1 and ranks.local_rank >= count:
        raise UserError(
            f"rank {ranks.rank} is number {ranks.local_rank} on its machine, which has {count} GPUs; start fewer"
            " processes a node"
        )
    device = torch.device("cuda", ranks.local_rank if count > 1 else 0)
    torch.cuda.set_device(device)
    return device


def _join(ranks: Ranks, device: torch.device) -> None:
    """Form the world's process group."""
    if ranks.size == 1:
        store = torch.distributed.HashStore()
    else:
        store, _, _ = next(torch.distributed.rendezvous(ranks.meeting_point, ranks.rank, ranks.size))
        store = torch.distributed.PrefixStore(
            f"start{next(_starts)}", store
        )  # torchrun's store outlives `stop` and keeps old addresses
    backend = "nccl" if device.type == "cuda" else "gloo"
    torch.distributed.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.size)
