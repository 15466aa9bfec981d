"""A process alone, several processes, and layouts that do not fit."""

import random

import numpy as np
import pytest
import torch
from megatron.core import parallel_state
from megatron.core.tensor_parallel import get_cuda_rng_tracker

from common.environment import resolve_threads
from common.errors import UserError
from conf.schema import ParallelConfig
from model.megatron import checkpoint, startup


def draws():
    """A number from every generator."""
    with get_cuda_rng_tracker().fork():
        tracked = torch.rand(1).item()
    return random.random(), np.random.rand(), torch.rand(1).item(), tracked


def test_alone():
    world = startup.start(ParallelConfig(threads=1), 0)
    assert (world.rank, world.size, world.local_rank, world.device) == (0, 1, 0, torch.device("cpu"))
    assert world == startup.world()
    assert parallel_state.get_data_parallel_world_size() == 1
    total = torch.ones(3)
    torch.distributed.all_reduce(total)
    assert total.tolist() == [1, 1, 1]


def test_starting_again_seeds_again():
    startup.start(ParallelConfig(threads=1), 5)
    first = draws()
    startup.start(ParallelConfig(threads=1), 5)
    assert draws() == first
    startup.start(ParallelConfig(threads=1), 6)
    assert all(a != b for a, b in zip(draws(), first, strict=True))


def test_threads_and_deterministic_algorithms():
    startup.start(ParallelConfig(threads=2), 0)
    assert torch.get_num_threads() == 2
    assert torch.are_deterministic_algorithms_enabled()
    startup.start(ParallelConfig(threads=0), 0)
    assert torch.get_num_threads() == resolve_threads(0) >= 1


def test_another_layout_needs_another_process():
    with pytest.raises(UserError, match="cannot become"):
        startup.start(ParallelConfig(tensor=2), 0)
    assert startup.parallel().tensor == 1


def test_a_layout_that_does_not_fit_the_job():
    startup.stop()
    try:
        with pytest.raises(
            UserError, match=r"parallel\.tensor=2 x .* x parallel\.context=1 does not divide the 1 process"
        ):
            startup.start(ParallelConfig(tensor=2), 0)
        with pytest.raises(RuntimeError, match="start first"):
            startup.world()
    finally:
        startup.start(ParallelConfig(threads=1), 0)


def close(exact: str):
    """Loss and gradient norm as `tiny_run` prints them, to be met within rounding."""
    return pytest.approx([float.fromhex(number) for number in exact.split()], rel=1e-6)


def test_two_ranks_train_as_one_does(tiny, python, script, tmp_path):
    """Under torchrun: sharded optimizer, seeds of dropout by micro-batch, and loads across both layouts."""
    names, alone = ("adamw", "stable_adamw"), {}
    for name in names:
        run = tiny.Run(name)
        losses = run.steps(0, 2, seeds=range(4))
        checkpoint.save(tmp_path / f"one_{name}", run.model, run.optimizer, {"step": 2})
        alone[name] = losses + run.steps(2, 5, seeds=range(4))
    lines = python("-m", "torch.distributed.run", "--nproc-per-node=2", script, "ranks", tmp_path)
    for name, told in zip(names, (lines[:6], lines[6:]), strict=True):
        assert told[0] == "ShardedOptimizer"
        run = tiny.Run(name, seed=3)
        checkpoint.load(tmp_path / f"two_{name}", run.model, run.optimizer)
        for one, other in zip(told[1:] + run.steps(2, 5, seeds=range(4)), alone[name] + alone[name][2:], strict=True):
            assert [float.fromhex(number) for number in one.split()] == close(other), name
