"""Phases on the time line of a run, from the configuration alone."""

import dataclasses

import pytest

from common.errors import UserError
from conf.schema import CausalConfig, Config, DecoderConfig, OptimConfig, PhaseConfig, ScheduleConfig, TrainConfig
from model.training.timeline.phase import PhaseClock, build_phases

PHASES = {
    "a": PhaseConfig(tokens=1000),
    "b": PhaseConfig(tokens=900, schedule="rewarm", lr=5e-4, seq_length=20, global_batch=3),
    "c": PhaseConfig(tokens=2059, rope_theta=7e4),
    "d": PhaseConfig(tokens=600, schedule="continue"),
    "e": PhaseConfig(tokens=500, schedule="decay"),
}
LENGTHS = [10, 15, 20, 6, 5]
"""Steps: 100 tokens each, 60 in phase b; what is left of a budget is not read."""


@pytest.fixture
def config() -> Config:
    return Config(
        model=DecoderConfig(), objective=CausalConfig(), phases={name: dataclasses.replace(phase) for name,
        phase in PHASES.items()},
        train=TrainConfig(seq_length=25, global_batch=4, micro_batch=1, validation_fraction=0.0),
        optim=OptimConfig(lr=1e-3, schedule=ScheduleConfig("cosine", warmup_tokens=300, min_lr_ratio=0.1)),
    )  # fmt: skip


def test_phases_follow_each_other_to_the_last_whole_batch(config):
    phases = build_phases(config, 1)
    assert [phase.steps for phase in phases] == LENGTHS
    assert [phase.first for phase in phases] == [0, 10, 25, 45, 51]
    assert [phase.rope_theta for phase in phases] == [0, 0, 7e4, 7e4, 7e4]
    clock = PhaseClock(phases)
    assert [clock.tokens(step) for step in (0, 1, 10, 11, 25, 26, 56)] == [0, 100, 1000, 1060, 1900, 2000, 5000]
    assert [clock.samples(step) for step in (10, 11, 25)] == [40, 43, 85]
    assert all(
        clock.tokens(clock.steps(tokens) - 1) < tokens <= clock.tokens(clock.steps(tokens))
        for tokens in range(1, 5001, 7)
    )


def test_the_schedule_of_the_run_skips_the_phases_that_have_their_own(config):
    """Phases a and c are one cosine of 30 steps with a warm-up of 300 tokens."""
    a, b, c, d, e = build_phases(config, 1)
    alone = dataclasses.replace(config, phases={"whole": PhaseConfig(tokens=3000)})
    (whole,) = build_phases(alone, 1)
    assert [*map(a.lr, range(1, 11)), *map(c.lr, range(26, 46))] == [*map(whole.lr, range(1, 31))]
    assert b.lr(11) == pytest.approx(5e-4 * 60 / 300) and max(map(b.lr, range(11, 26))) == 5e-4 and b.lr(25) < 1e-4
    assert [d.lr(step) for step in range(46, 52)] == [c.lr(45)] * 6
    rates = [e.lr(step) for step in range(52, 57)]
    assert rates[0] == c.lr(45) and rates == sorted(rates, reverse=True) and rates[-1] > 1e-4


def test_a_budget_scales_every_phase(config):
    config.budget = 0.5
    assert [phase.steps for phase in build_phases(config, 1)] == [5, 7, 10, 3, 2]
    config.budget, config.optim.schedule.warmup_tokens = 2e-3, 0
    assert [phase.steps for phase in build_phases(config, 1)] == [1] * 5
    config.budget = 1e-9
    with pytest.raises(
        UserError, match="budget=1e-09 leaves phases.a none of its 1,000 tokens; give at least budget=0.01"
    ):
        build_phases(config, 1)


@pytest.mark.parametrize(
    ("phase", "key", "value", "message"),
    [
        ("b", "tokens", 0, "phases.b.tokens=0: a phase of a training needs a budget"),
        ("c", "lr", 1e-4, "phases.c.lr=0.0001 is the peak of a new warm-up"),
        ("a", "schedule", "continue", "phases.a.schedule=continue needs a phase before it"),
        ("b", "global_batch", 5, "phases.b: train.global_batch=5 is not a multiple"),
    ],
)
def test_what_does_not_fit_names_the_phase(config, phase, key, value, message):
    setattr(config.phases[phase], key, value)
    with pytest.raises(UserError, match=message):
        build_phases(config, 1 if key != "global_batch" else 2)
