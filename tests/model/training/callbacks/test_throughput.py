"""Speed over the steps since it was last told."""

from types import SimpleNamespace

import pytest
import torch

from model.training.callbacks.step_record import StepRecord
from model.training.callbacks.throughput import Throughput

LOOP = SimpleNamespace(
    world=SimpleNamespace(device=torch.device("cpu"), size=1), objective=SimpleNamespace(unit="tokens"), total=5
)


def told(callback: Throughput, steps: int) -> dict[int, float]:
    callback.start(LOOP)
    records = [StepRecord(step, tokens=100 * step, flops=1e9, seconds=0.5) for step in range(steps + 1)]
    for record in records:
        callback.step(LOOP, record)
    assert all(record.metrics["speed/mfu"] is None for record in records if record.metrics)
    return {record.step: record.metrics["speed/tokens_per_second"] for record in records if record.metrics}


def test_mean_over_the_steps_since_it_was_told():
    assert told(Throughput(2, "fp32"), 5) == {2: 300.0, 4: 700.0, 5: 1000.0}


def test_share_of_the_peak():
    callback = Throughput(1, "bf16")
    callback.start(LOOP)
    callback.peak, callback.devices = 4e9, 2
    record = StepRecord(1, tokens=100, flops=1e9, seconds=0.5)
    callback.step(LOOP, record)
    assert record.metrics["speed/mfu"] == pytest.approx(0.25)
