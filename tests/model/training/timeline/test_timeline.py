"""Length, checkpoints and extension of a run, before the first step."""

import pytest

from common.errors import UserError
from conf.schema import CheckpointConfig, ScheduleConfig, TrainConfig
from conf.schema.replace import with_value
from model.training.checkpoints.checkpoints import RESUME
from model.training.checkpoints.write import write_checkpoint
from model.training.run.continuation import check_extension, find_branch
from model.training.run.folder import open_run
from model.training.timeline.batch_ramp import BatchRamp
from model.training.timeline.checkpoint_steps import CheckpointSteps
from model.training.timeline.timeline import build_timeline


def points(total: int = 20, **fields) -> CheckpointSteps:
    train = TrainConfig(seq_length=10, global_batch=2, micro_batch=1)  # 20 tokens a step
    return CheckpointSteps(CheckpointConfig(**fields), BatchRamp(train), total)


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({}, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]),
        ({"probe_share": 0.3}, [0, 6, 12, 18, 20]),
        ({"probe_share": 0.01}, [*range(21)]),
        ({"probe_share": 0}, [0, 20]),
        ({"probe_share": 0, "probe_at_start": False}, [20]),
        ({"probe_every_steps": 8}, [0, 8, 16, 20]),
        ({"probe_at_tokens": [20, 21, 55, 400, 9999]}, [0, 1, 2, 3, 20]),
        ({"probe_every_steps": 10, "probe_at_tokens": [200]}, [0, 10, 20]),
    ],
)
def test_probe_checkpoints(fields, steps):
    found = points(**fields)
    assert found.probe_steps() == steps
    assert [step for step in range(21) if found.probe_due(step)] == steps
    assert found.probe_steps(start=5) == [step for step in steps if step >= 5]


def test_resume_checkpoints_by_step_and_by_time():
    by_step = points(resume_every_steps=5, resume_every_minutes=0)
    assert [step for step in range(21) if by_step.resume_due(step, 1e9)] == [5, 10, 15, 20]
    by_time = points(resume_every_minutes=30)
    assert (by_time.resume_due(3, 29.9), by_time.resume_due(3, 30.0), by_time.resume_due(0, 99)) == (False, True, False)


def begun(config, *steps: int) -> None:
    """A run of ``config`` with checkpoints of ``steps``."""
    open_run(config).begin(0)
    for step in steps:
        write_checkpoint(config.run_dir, step, RESUME, lambda folder: (folder / "weights").write_text("w"))


def extend(config) -> None:
    run = open_run(config)
    check_extension(run, config, build_timeline(config))


@pytest.mark.parametrize(
    ("kind", "at", "steps", "allowed"),
    [
        ("wsd", 8, 30, True),  # 12 steps with 4 of decay: it begins after step 8
        ("wsd", 9, 30, False),
        ("wsd", 12, 30, False),
        ("wsd", 8, 11, False),
        ("cosine", 2, 30, True),
        ("cosine", 4, 30, False),
        ("constant", 12, 30, True),
        ("constant", 12, 11, False),
    ],
)
def test_a_run_may_be_extended_until_its_decay_begins(config, kind, at, steps, allowed):
    config = with_value(config, "optim.schedule.kind", kind)
    begun(config, at)
    longer = with_value(config, "train.steps", steps)
    if allowed:
        extend(longer)
    else:
        with pytest.raises(UserError, match=rf"is at step {at}.*train.steps: 12 -> {steps}"):
            extend(longer)


def test_a_refused_extension_names_the_checkpoint_to_branch_from(config):
    begun(config, 4, 12)
    with pytest.raises(UserError, match=r"train.branch_from=\S*/step_0000004 branches from before"):
        extend(with_value(config, "train.steps", 30))
    with pytest.raises(UserError, match="decay_shape: 1-sqrt -> linear"):
        extend(with_value(config, "optim.schedule.decay_shape", "linear"))


def test_probe_checkpoints_by_share_of_a_branch_are_shares_of_what_it_trains():
    train = TrainConfig(seq_length=10, global_batch=2, micro_batch=1)
    found = CheckpointSteps(CheckpointConfig(probe_share=0.25), BatchRamp(train), 30, start=10)
    assert found.probe_steps(10) == [15, 20, 25, 30] == [step for step in range(1, 31) if found.probe_due(step)]


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


def test_branch_needs_a_whole_checkpoint(config, tmp_path):
    with pytest.raises(UserError, match="train.branch_from"):
        find_branch(with_value(config, "train.decay_only", True), open_run(config))
    config = with_value(config, "train.branch_from", str(tmp_path / "other" / "checkpoints" / "step_0000004"))
    with pytest.raises(UserError, match="is not a checkpoint"):
        find_branch(config, open_run(config))
    checkpoint = write_checkpoint(
        tmp_path / "other", 4, RESUME, lambda folder: (folder / "weights").write_text("w"), lr=1e-3, plan="cafe"
    )
    assert find_branch(config, open_run(config)).step == 4
    with pytest.raises(UserError, match="starts at step 4, but the run ends at step 3"):
        build_timeline(with_value(config, "train.steps", 3), find_branch(config, open_run(config)))
    (checkpoint.folder / "weights").write_text("x")
    with pytest.raises(UserError, match="is broken"):
        find_branch(config, open_run(config))
