"""tb/hparams: the hyperparameters of the run beside its best score, for TensorBoard's HParams tab."""

from pathlib import Path
from typing import Any

from common.remove import remove_files
from model.training.callbacks.callback import Callback
from model.training.events import events
from model.training.run import read_config

SECTIONS = ("seed", "model", "objective", "optim", "parallel", "train")


class HParams(Callback):
    """Writes the row of this run when it ends, with the best held-out loss; a sweep writes it again with the retrieval score."""

    def end(self, loop) -> None:
        """Write the row."""
        if loop.state.best_heldout_loss is not None:
            write_hparams(loop.run.folder, {"best/heldout_loss": loop.state.best_heldout_loss})


def write_hparams(run_dir: str | Path, scores: dict[str, float]) -> None:
    """Write the run's row of the HParams tab anew: its frozen configuration and ``scores`` by name."""
    from torch.utils.tensorboard.summary import hparams

    config = read_config(run_dir)
    values = flatten({name: config[name] for name in SECTIONS})
    folder = Path(run_dir) / "tb" / "hparams"
    remove_files(folder, "events.*")
    with events(folder) as writer:
        for event in hparams(values, scores):
            writer.file_writer.add_summary(event)
        for name, score in scores.items():
            writer.add_scalar(name, score, 0)


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys of the numbers, switches and texts of ``tree``; what is saved when is not a hyperparameter."""
    found = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found.update(flatten(value, f"{prefix}{key}.") if key != "save" else {})
        elif isinstance(value, bool | int | float | str):
            found[prefix + key] = value
    return found
