"""At which steps checkpoints are due."""

import pytest

from conf.schema import CheckpointConfig, TrainConfig
from model.training.timeline.batch_ramp import BatchRamp
from model.training.timeline.checkpoint_steps import CheckpointSteps


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


def test_probe_checkpoints_by_share_of_a_branch_are_shares_of_what_it_trains():
    train = TrainConfig(seq_length=10, global_batch=2, micro_batch=1)
    found = CheckpointSteps(CheckpointConfig(probe_share=0.25), BatchRamp(train), 30, start=10)
    assert found.probe_steps(10) == [15, 20, 25, 30] == [step for step in range(1, 31) if found.probe_due(step)]
