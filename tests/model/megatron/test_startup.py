"""A process alone, several processes, and layouts that do not fit."""

import random

import numpy as np
import pytest
import torch
from megatron.core import parallel_state
from megatron.core.tensor_parallel import get_cuda_rng_tracker

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
    assert torch.get_num_threads() == startup.resolve_threads(0) >= 1


def test_another_layout_needs_another_process():
    with pytest.raises(UserError, match="cannot become"):
        startup.start(ParallelConfig(tensor=2), 0)
    assert startup.parallel().tensor == 1


def test_a_layout_that_does_not_fit_the_job():
    startup.stop()
    try:
        with pytest.raises(UserError, match=r"parallel\.tensor=2 x parallel\.pipeline=1 does not divide the 1 process"):
            startup.start(ParallelConfig(tensor=2), 0)
        with pytest.raises(RuntimeError, match="start first"):
            startup.world()
    finally:
        startup.start(ParallelConfig(threads=1), 0)


def test_two_ranks_train_as_one_does(tiny, python, script, tmp_path):
    """Under torchrun: sharded optimizer, seeds of dropout by micro-batch, and loads across both layouts."""
    expected = []
    for name in ("adamw", "stable_adamw"):
        run = tiny.Run(name)
        losses = run.steps(0, 3, seeds=range(8))
        checkpoint.save(tmp_path / f"one_{name}", run.model, run.optimizer, {"step": 3})
        expected.append(losses + run.steps(3, 6, seeds=range(8)))
    lines = python("-m", "torch.distributed.run", "--nproc-per-node=2", script, "ranks", tmp_path)
    ours = [lines[:7], lines[7:]]
    for name, told, alone in zip(("adamw", "stable_adamw"), ours, expected, strict=True):
        assert told[0] == "ShardedOptimizer"
        for a, b in zip(told[1:], alone, strict=True):
            assert [float.fromhex(x) for x in a.split()] == pytest.approx([float.fromhex(x) for x in b.split()], rel=1e-6), name
        run = tiny.Run(name, seed=3)
        checkpoint.load(tmp_path / f"two_{name}", run.model, run.optimizer)
        for a, b in zip(run.steps(3, 6, seeds=range(8)), alone[3:], strict=True):
            assert [float.fromhex(x) for x in a.split()] == pytest.approx([float.fromhex(x) for x in b.split()], rel=1e-6), name
