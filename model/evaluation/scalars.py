"""Results in TensorBoard, at the steps of the training."""

from collections.abc import Sequence
from pathlib import Path

from common.layout import CONFIG, CURVES
from common.remove import remove_files
from model.evaluation.interface.measure import Measure
from model.evaluation.interface.store import Result
from model.training.callbacks.events import events
from model.training.callbacks.hparams import VALIDATION, write_hparams


def write_scalars(run: str | Path, measures: Sequence[Measure]) -> None:
    """Write every result to ``tb/probe`` under the tags of `Measure.scalars`.

    The events are written anew each time, so that every step stands there once whatever was measured again; a
    TensorBoard that is watching forgets what it had read.
    """
    folder = Path(run) / CURVES / "probe"
    remove_files(folder, "events.*")
    with events(folder, purge_step=0) as writer:
        for measure in measures:
            for result in measure.results:
                for tag, value in measure.scalars(result).items():
                    writer.add_scalar(tag, value, result.step)


def write_row(run: str | Path, tag: str, value: float, best: int, checkpoints: Sequence[Result]) -> None:
    """Write the run's row of the HParams tab anew: the score of the ``best`` checkpoint under the ``tag`` of its curve,
    and the lowest held-out loss; without config.yaml there is none."""
    if not (Path(run) / CONFIG).is_file():
        return
    losses = [(result.step, result.validation_loss) for result in checkpoints if result.validation_loss is not None]
    lowest = {VALIDATION: min(losses, key=lambda point: point[1])} if losses else {}
    write_hparams(run, {tag: (best, value), **lowest})
