"""Micro-batches: what a step sees does not depend on the number of ranks, nor on how far a thread is ahead."""

import numpy as np
import pytest
import torch

from conf.schema import Config, MlmConfig, TrainConfig
from model.objectives.mlm import Mlm
from model.training.data.loader import MicroBatches
from model.training.data.order import make_plan
from model.training.data.tokens import open_tokens
from model.training.timeline.phase import Phase
from model.training.timeline.timeline import build_timeline

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def parts(corpus):
    plan = make_plan(open_tokens(corpus / "tokens", corpus / "tokenizer", 320), 64, 0.1, seed=1)
    return plan, Mlm(MlmConfig(), corpus / "tokenizer", seed=1)


def phase_of(micro_batch: int) -> Phase:
    train = TrainConfig(seq_length=64, global_batch=8, micro_batch=micro_batch, steps=9)
    return build_timeline(Config(train=train)).phases[0]


def steps(parts, size: int, packs: int, count: int, first: int = 0, rank: int = 0, ranks: int = 1):
    """(seed of dropout, what is shown, what is predicted) of each micro-batch of ``count`` steps over ``packs``
    packs."""
    stream = MicroBatches(*parts, phase_of(size), CPU, 1, first, (rank, ranks))
    found = []
    for _ in range(count):
        batches = stream.step(packs)
        found.append(
            [
                (seed, batch.pack.tokens.tolist(), batch.labels.tolist())
                for seed, batch in zip(batches.seeds, batches, strict=True)
            ]
        )
        assert len(batches) == len(found[-1]) == packs // size // ranks
    stream.close()
    return found


def test_ranks_share_what_one_rank_sees_alone(parts):
    alone = steps(parts, size=2, packs=8, count=12)  # 96 packs: beyond the first epoch
    shared = [steps(parts, size=2, packs=8, count=12, rank=rank, ranks=2) for rank in (0, 1)]
    for step in range(12):
        assert alone[step] == [batch for pair in zip(shared[0][step], shared[1][step], strict=True) for batch in pair]


def test_a_stream_goes_on_where_another_stopped(parts):
    whole = steps(parts, size=2, packs=4, count=6)
    assert steps(parts, size=2, packs=4, count=3, first=12) == whole[3:]


def test_samples_are_those_of_the_plan_and_masks_change_with_the_epoch(parts):
    plan = parts[0]
    n = len(plan.train)
    stream = MicroBatches(*parts, phase_of(1), CPU, 1, 0)
    batches = [batch for _ in range(2) for batch in stream.step(n)]
    stream.close()
    for index in (0, 5, n, n + 5):
        original = np.concatenate(plan.samples(index, 1)[0].documents)
        batch = batches[index]
        assert batch.labels.tolist() == original[batch.selected.numpy()].tolist()
    again = {int(number): index for index, number in enumerate(plan.items(n, n), n)}
    same = [(batches[i], batches[again[int(number)]]) for i, number in enumerate(plan.items(0, n))]
    assert sum(a.selected.tolist() != b.selected.tolist() for a, b in same) > 0.9 * n


def test_seeds_of_dropout_differ(parts):
    seeds = [seed for step in steps(parts, size=1, packs=8, count=20) for seed, _, _ in step]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
