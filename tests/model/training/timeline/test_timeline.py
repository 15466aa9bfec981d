"""Length and learning rates of a run, before the first step."""

import pytest

from conf.schema import ScheduleConfig, TrainConfig
from conf.schema.replace import with_value
from model.training.timeline.timeline import build_timeline


def test_a_run_that_is_extended_keeps_the_warm_up_it_began_with(config):
    config = with_value(config, "optim.schedule", ScheduleConfig("wsd"))
    config = with_value(config, "train.steps", 100)
    first, longer = build_timeline(config), with_value(config, "train.steps", 400)
    assert first.warmup == 5
    extended = build_timeline(longer, warmup=first.warmup)
    assert [extended.lr(step) for step in range(1, 90)] == [first.lr(step) for step in range(1, 90)]
    assert extended.lr(361) == 3e-3 > extended.lr(362) and build_timeline(longer).warmup == 20
    given = with_value(longer, "optim.schedule.warmup_steps", 3)
    assert build_timeline(given, warmup=first.warmup).warmup == 3


def test_tokens_and_ramp_decide_the_steps(config):
    train = TrainConfig(
        seq_length=64, global_batch=8, micro_batch=2, batch_ramp_start=2, batch_ramp_tokens=64 * 20, tokens=64 * 40
    )
    schedule = ScheduleConfig("constant", warmup_tokens=64 * 6)
    timeline = build_timeline(with_value(with_value(config, "train", train), "optim.schedule", schedule))
    assert timeline.clock.samples(timeline.total) >= 40 > timeline.clock.samples(timeline.total - 1)
    rates = [timeline.lr(step) for step in range(1, timeline.total + 1)]
    assert rates[0] == pytest.approx(3e-3 * 2 / 6)
    assert max(rates) == 3e-3
