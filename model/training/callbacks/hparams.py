"""tb/hparams: the hyperparameters of the run beside its best score, for TensorBoard's HParams tab.

That tab reads its scores from scalars, which the other tabs show too. So a score carries the tag of the curve that it
is taken from, and its step: there it is one marked point of that curve, and no plot of its own."""

import json
from pathlib import Path
from typing import Any

from common.layout import CURVES, METRICS
from common.remove import remove_files
from model.training.callbacks.callback import Callback
from model.training.callbacks.events import events
from model.training.run.config import read_config

Score = tuple[int, float]
"""Step and value of a point of a curve."""
VALIDATION = "validation/loss"
"""Tag of the held-out loss in tb/train."""
SECTIONS = ("seed", "model", "objective", "optim", "parallel", "train")


class HParams(Callback):
    """Writes the row of this run when it ends, with the best held-out loss; a sweep writes it again with the retrieval
    score."""

    def end(self, loop) -> None:
        """Write the row."""
        if (lowest := lowest_validation(Path(loop.run.folder) / METRICS)) is not None:
            write_hparams(loop.run.folder, {VALIDATION: lowest})


def lowest_validation(metrics: Path) -> Score | None:
    """Where ``metrics`` (metrics.jsonl) has its lowest held-out loss; None where none was measured."""
    lines = map(json.loads, metrics.read_text(encoding="utf-8").splitlines())
    found = [(line["step"], line["validation_loss"]) for line in lines if line.get("validation_loss") is not None]
    return min(found, key=lambda point: point[1], default=None)


def write_hparams(run_dir: str | Path, scores: dict[str, Score]) -> None:
    """Write the run's row of the HParams tab anew: its frozen configuration and ``scores`` by the tag of their
    curve."""
    from torch.utils.tensorboard.summary import hparams

    config = read_config(run_dir)
    values = flatten({name: config[name] for name in SECTIONS})
    folder = Path(run_dir) / CURVES / "hparams"
    remove_files(folder, "events.*")
    with events(folder) as writer:
        for event in hparams(values, {tag: value for tag, (_, value) in scores.items()}):
            writer.file_writer.add_summary(event)
        for tag, (step, value) in scores.items():
            writer.add_scalar(tag, value, step)


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys of the numbers, switches and texts of ``tree``; what is saved when is not a hyperparameter."""
    found = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found.update(flatten(value, f"{prefix}{key}.") if key != "checkpoint" else {})
        elif isinstance(value, bool | int | float | str):
            found[prefix + key] = value
    return found
