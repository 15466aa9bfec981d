"""A run goes on from a checkpoint of another, or beyond its length, where its learning rates allow it."""

import pytest

from common.errors import UserError
from conf.schema.replace import with_value
from model.training.checkpoints.checkpoints import RESUME
from model.training.checkpoints.write import write_checkpoint
from model.training.run.continuation import check_extension, find_branch
from model.training.run.folder import open_run
from model.training.timeline.timeline import build_timeline


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
