"""Losses of a run in reports: the curve of the training, and the loss at the checkpoints."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.layout import METRICS
from common.report.palette import GRID, TRAINING_LOSS, VALIDATION_LOSS
from model.evaluation.interface.result import SweepResult
from model.evaluation.interface.store import Result


def training_curve(run: Path) -> tuple[list[int], list[float]]:
    """Steps and training losses of metrics.jsonl; of a step that stands there twice (after a resume) the last one."""
    file, losses = run / METRICS, {}
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # cut off by a kill
                continue
            if isinstance(record.get("loss"), int | float):
                losses[record["step"]] = record["loss"]
    return sorted(losses), [losses[step] for step in sorted(losses)]


def draw_loss(axes: Any, sweep: SweepResult) -> None:
    """The curve of the training, and the loss at the checkpoints."""
    steps, losses = training_curve(sweep.run)
    if steps:
        axes.plot(steps, losses, color=TRAINING_LOSS, linewidth=1, label="train")
    kind = loss_kind(sweep.checkpoints)
    points = [(result.step, value) for result in sweep.checkpoints if (value := loss_of(result, kind)) is not None]
    if points:
        label = f"{kind}, at checkpoints"
        axes.plot(
            *zip(*points, strict=True), color=VALIDATION_LOSS, marker="o", markersize=3.5, linewidth=1, label=label
        )
        axes.legend()
    axes.set_ylabel(loss_name(sweep))
    axes.grid(axis="y", color=GRID)


def loss_kind(results: Sequence[Result]) -> str:
    """held-out where every checkpoint but the first has such a loss, else train."""
    return "held-out" if all(result.validation_loss is not None for result in results[1:] or results) else "train"


def loss_of(result: Result, kind: str) -> float | None:
    """The loss of ``kind``."""
    return result.validation_loss if kind == "held-out" else result.train_loss


def loss_name(sweep: SweepResult) -> str:
    """Of what the net was trained with."""
    return "loss" if sweep.decoder else "MLM loss"
