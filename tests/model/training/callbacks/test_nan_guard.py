"""Steps that are not finite are skipped, counted, and stop the run in the end."""

import math
from types import SimpleNamespace

import pytest

from common.errors import UserError
from model.training.callbacks.nan_guard import NanGuard
from model.training.callbacks.step_record import StepRecord
from model.training.checkpoints.state import TrainState


def loop_at(folder, state: TrainState) -> SimpleNamespace:
    """What the guard sees of a loop; its run has no checkpoint."""
    return SimpleNamespace(state=state, run=SimpleNamespace(folder=folder))


def step(guard: NanGuard, loop, number: int, loss: float, skipped: bool) -> dict[str, float | None]:
    record = StepRecord(number, samples=4 * number, batch=4, skipped=skipped)
    record("train/loss", loss)
    guard.step(loop, record)
    return record.metrics


def test_counts_warns_and_forgets(capsys, tmp_path):
    guard, loop = NanGuard(3), loop_at(tmp_path, TrainState())
    assert step(guard, loop, 1, 2.5, False) == {"train/loss": 2.5}
    for number in (2, 3):
        assert step(guard, loop, number, math.nan, True) == {"train/loss": None}
    assert (loop.state.skipped, loop.state.not_finite, loop.state.loss) == (2, 2, 2.5)
    assert "step 3 (samples 8 to 11)" in capsys.readouterr().err
    step(guard, loop, 4, 2.0, False)
    assert (loop.state.skipped, loop.state.not_finite, loop.state.loss) == (2, 0, 2.0)


def test_stops_when_patience_is_spent(tmp_path):
    guard, loop = NanGuard(2), loop_at(tmp_path, TrainState())
    step(guard, loop, 1, math.inf, True)
    with pytest.raises(UserError, match=r"not finite 2 steps in a row, last at step 2 \(samples 4 to 7\)"):
        step(guard, loop, 2, math.nan, True)


def test_patience_goes_on_after_a_resume(tmp_path):
    guard, loop = NanGuard(3), loop_at(tmp_path, TrainState(step=9, not_finite=2, skipped=2))
    with pytest.raises(UserError, match="3 steps in a row"):
        step(guard, loop, 10, math.nan, True)
