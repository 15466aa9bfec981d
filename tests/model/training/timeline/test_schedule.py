"""Learning-rate schedules against closed formulas and transformers' schedulers."""

import dataclasses
import math

import pytest
import torch
import transformers

from common.errors import UserError
from conf.schema import Config, OptimConfig, ScheduleConfig, TrainConfig
from model.training.timeline.schedule import build_decay, build_schedule, shape
from model.training.timeline.timeline import build_timeline

TOTAL, WARMUP, DECAY = 50, 7, 20


def rates(
    kind: str, ratio: float = 0.0, decay_shape: str = "1-sqrt", peak: float = 1.0, warmup: int = WARMUP
) -> list[float]:
    config = ScheduleConfig(kind, warmup_steps=warmup, decay_steps=DECAY, decay_shape=decay_shape, min_lr_ratio=ratio)
    schedule = build_schedule(OptimConfig(lr=peak, schedule=config), TOTAL, warmup)
    return [schedule.lr(step, 0) for step in range(1, TOTAL + 1)]


def theirs(make, **arguments) -> list[float]:
    """Factors of a scheduler of transformers at 0, 1, ... updates."""
    scheduler = make(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), **arguments)
    return [scheduler.lr_lambdas[0](step) for step in range(TOTAL + 1)]


@pytest.mark.parametrize("decay_shape", ["linear", "cosine", "1-sqrt"])
def test_wsd_equals_transformers(decay_shape):
    peer = theirs(
        transformers.get_wsd_schedule, num_warmup_steps=WARMUP, num_decay_steps=DECAY, num_training_steps=TOTAL,
        decay_type=decay_shape, min_lr_ratio=0.1,
    )  # fmt: skip
    ours = rates("wsd", 0.1, decay_shape)
    assert ours[WARMUP:] == pytest.approx(peer[WARMUP:TOTAL], abs=1e-12)
    # The warm-up runs one update ahead of theirs, whose first update has a learning rate of min_lr_ratio (here it has 1
    # / warm-up).
    assert ours[:WARMUP] == [(step + 1) / WARMUP for step in range(WARMUP)]


def test_cosine_equals_transformers():
    peer = theirs(transformers.get_cosine_schedule_with_warmup, num_warmup_steps=WARMUP, num_training_steps=TOTAL)
    ours = rates("cosine")
    assert ours[WARMUP:] == pytest.approx(peer[WARMUP:TOTAL], abs=1e-12)
    assert ours[:WARMUP] == pytest.approx(peer[1 : WARMUP + 1], abs=1e-12)


def test_constant_equals_transformers():
    peer = theirs(transformers.get_constant_schedule_with_warmup, num_warmup_steps=WARMUP)
    assert rates("constant", peak=3.0) == pytest.approx([3.0 * factor for factor in peer[1:]], abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        ("linear", lambda x: 1 - x),
        ("cosine", lambda x: 0.5 * (1 + math.cos(math.pi * x))),
        ("1-sqrt", lambda x: 1 - x**0.5),
    ],
)
def test_decay_is_its_formula(kind, formula):
    a, peak = 0.05, 2e-3
    ours = rates("wsd", a, kind, peak)
    for done in range(TOTAL - DECAY, TOTAL):
        x = (done - (TOTAL - DECAY)) / DECAY
        assert ours[done] == pytest.approx(peak * (a + (1 - a) * formula(x)), rel=1e-12)
    assert ours[WARMUP : TOTAL - DECAY] == [peak] * (TOTAL - DECAY - WARMUP)
    assert shape(kind, 1.0) == pytest.approx(0.0, abs=1e-12)
    assert shape(kind, 1.5) == shape(kind, 1.0)


def test_warmup_in_tokens_follows_the_tokens():
    config = ScheduleConfig("constant", warmup_tokens=1000)
    schedule = build_schedule(OptimConfig(lr=1.0, schedule=config), TOTAL, warmup=3)
    assert [schedule.lr(step, tokens) for step, tokens in ((1, 100), (2, 400), (3, 900), (4, 1600))] == [
        0.1,
        0.4,
        0.9,
        1.0,
    ]


@pytest.mark.parametrize("decay_shape", ["linear", "cosine", "1-sqrt"])
def test_decay_branch_repeats_the_decay_of_the_whole_run(decay_shape):
    optim = OptimConfig(
        lr=1e-3, schedule=ScheduleConfig("wsd", decay_steps=DECAY, decay_shape=decay_shape, min_lr_ratio=0.1)
    )
    whole = build_schedule(optim, TOTAL, 0)
    start = TOTAL - DECAY
    branch = build_decay(optim, whole.lr(start, 0), start)
    for step in range(start + 1, TOTAL + 1):
        assert branch.lr(step, 0) == pytest.approx(whole.lr(step, 0), rel=1e-12)


@pytest.mark.parametrize("total", [40, 20_000])
def test_without_lengths_a_run_warms_up_and_decays_by_shares_of_its_own(total):
    train = TrainConfig(steps=total, seq_length=8, global_batch=2, micro_batch=1)
    lengths = {
        "wsd": (0.05, 0.9),
        "cosine": (0.05, 0.05),
        "constant": (0.05, 1.0),
    }  # where the warm-up ends, where the decay begins
    for kind, (full, stays) in lengths.items():
        timeline = build_timeline(Config(train=train, optim=OptimConfig(lr=1.0, schedule=ScheduleConfig(kind))))
        found = [timeline.lr(step) for step in range(1, total + 1)]
        warm, begins = round(full * total), round(stays * total)
        assert found[:warm] == pytest.approx([(step + 1) / warm for step in range(warm)])
        assert found[warm : begins + 1] == [1.0] * (min(begins + 1, total) - warm) and (
            kind == "constant" or found[-1] < found[begins] / 2
        )
        assert timeline.decay_begins == begins


def test_a_length_that_is_given_leaves_no_share_beside_it():
    for given in ({"warmup_steps": 7}, {"warmup_tokens": 7}):
        assert ScheduleConfig(**given).settled().warmup_share == 0.0
    assert ScheduleConfig(decay_steps=3).settled().decay_share == 0.0 == ScheduleConfig("cosine").settled().decay_share
    assert ScheduleConfig(warmup_share=0.0, decay_share=0.0).settled().decay_share == 0.0
    with pytest.raises(UserError, match="set one of them alone"):
        build_schedule(OptimConfig(schedule=ScheduleConfig(decay_steps=3, decay_share=0.2)), TOTAL, 0)


def test_what_does_not_fit_is_refused():
    optim = OptimConfig(schedule=ScheduleConfig("wsd", warmup_steps=40, decay_steps=DECAY))
    with pytest.raises(UserError, match="40 steps of warm-up and 20 of decay do not fit into 50"):
        build_schedule(optim, TOTAL, 40)
    with pytest.raises(UserError, match="decay_steps"):
        build_decay(dataclasses.replace(optim, schedule=ScheduleConfig()), 1.0, 5)
