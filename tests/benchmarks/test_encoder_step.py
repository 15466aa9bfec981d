"""The arithmetic of the encoder's benchmarks, and their two sides on a tiny net."""

import numpy as np
import pytest
import torch

from benchmarks import measure
from benchmarks.documents import grouped, real_lengths
from benchmarks.encoder_sides import IGNORED, Ours, Theirs, Work, differences, fill
from benchmarks.gpu import encoder_step
from conf.schema import EncoderConfig, ParallelConfig

NET = EncoderConfig(
    vocab_size=300, num_layers=4, hidden_size=32, num_heads=2, ffn_size=48, max_positions=64, local_window=16,
    attention_out_dropout=0.0
)  # fmt: skip
LENGTHS = [5, 64, 17, 30, 2, 41]


def test_packs_and_batches_hold_every_document_once():
    work = Work.draw(LENGTHS, NET.vocab_size)
    assert [pack.lengths for pack in work.packs(64)] == [[5], [64], [17, 30, 2], [41]]
    assert [batch.lengths for batch in work.batches(4)] == [[5, 64, 17, 30], [2, 41]]
    assert fill(work.batches(4)) == pytest.approx(sum(LENGTHS) / (4 * 64 + 2 * 41), abs=1e-3)
    assert work.predicted == sum((labels != IGNORED).sum() for labels in work.labels) > 0.15 * sum(LENGTHS)


def test_grouped_batches_are_nearly_full():
    lengths = grouped([min(length, 1024) for length in real_lengths(8192)], 8)
    batches = np.array(lengths).reshape(-1, 8)
    assert len(lengths) == 32 and batches.sum() / (8 * batches.max(axis=1)).sum() > 0.9


def test_ratio_is_by_round():
    theirs, ours = {"cpu": [2.0, 6.0, 4.0]}, {"cpu": [1.0, 2.0, 4.0]}
    assert measure.ratio(theirs, ours, "cpu") == {"median": 2.0, "least": 1.0, "of_least": 2.0}


def test_sides_take_turns():
    turns = []
    times = measure.alternate({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, rounds=2, warm_up=1)
    assert turns == ["b", "a", "a", "b", "b", "a"] and [len(values) for values in times["a"].values()] == [2, 2]


def test_both_sides_compute_the_same_and_the_check_would_notice():
    ours, work = Ours(NET, ParallelConfig(threads=1)), Work.draw(LENGTHS, NET.vocab_size)
    theirs = Theirs(NET, "sdpa")
    theirs.load(ours.net, NET)
    found = differences(ours, theirs, NET, work, pack_tokens=100, batch_size=4)
    assert max(found["loss_difference"], found["gradient_difference"]) < 1e-4
    theirs.net.model.layers[1].mlp.Wi.weight.data.mul_(1.01)
    assert differences(ours, theirs, NET, work, pack_tokens=100, batch_size=4)["gradient_difference"] > 1e-3


def test_a_size_that_does_not_fit_is_halved():
    def make(size):
        def step():
            if size > 3:
                raise torch.OutOfMemoryError

        return step

    assert encoder_step.fitting(make, 12)[1] == 3
