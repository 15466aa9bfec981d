"""Results in TensorBoard, at the steps of the training."""

from collections.abc import Sequence
from pathlib import Path

from common.layout import CONFIG, CURVES
from common.remove import remove_files
from model.evaluation.choice import Choice
from model.evaluation.perplexity import Perplexity
from model.evaluation.results import Result
from model.evaluation.task_results import TaskScores
from model.training.callbacks.events import events
from model.training.callbacks.hparams import VALIDATION, write_hparams


def write_scalars(
    run: str | Path, results: list[Result], perplexity: Sequence[Perplexity] = (), tasks: Sequence[TaskScores] = ()
) -> None:
    """Write every result to ``tb/probe`` as ``retrieval/ndcg@10/test/cat``, ``perplexity/law/token``, ``task/quiz/acc``
    etc.

    The events are written anew each time, so that every step stands there once whatever was probed again; a TensorBoard
    that is watching forgets what it had read."""
    folder = Path(run) / CURVES / "probe"
    remove_files(folder, "events.*")
    with events(folder, purge_step=0) as writer:
        for result in results:
            for readout, splits in result.metrics.items():
                for split, metrics in splits.items():
                    for name, value in metrics.items():
                        writer.add_scalar(f"retrieval/{name}/{split}/{readout}", value, result.step)
        for one in perplexity:
            for text in one.roles:
                writer.add_scalar(f"perplexity/{text}/token", one.value(text, "token"), one.step)
                writer.add_scalar(f"perplexity/{text}/character", one.value(text, "character"), one.step)
                writer.add_scalar(f"bits_per_byte/{text}", one.value(text, "byte"), one.step)
        for one in tasks:
            for task, scores in one.scores.items():
                for metric, score in scores.items():
                    writer.add_scalar(f"task/{task}/{metric}", score.value, one.step)


def write_row(run: str | Path, choice: Choice, value: float, best: Result, results: list[Result]) -> None:
    """Write the run's row of the HParams tab anew, with the score of the ``best`` checkpoint and the lowest held-out loss;
    without config.yaml there is none."""
    if not (Path(run) / CONFIG).is_file():
        return
    losses = [(result.step, result.validation_loss) for result in results if result.validation_loss is not None]
    lowest = {VALIDATION: min(losses, key=lambda point: point[1])} if losses else {}
    write_hparams(run, {_tag(choice, best): (best.step, value), **lowest})


def _tag(choice: Choice, best: Result) -> str:
    """The curve of `write_scalars` that ``choice`` reads."""
    if choice.kind == "retrieval":
        return f"retrieval/{choice.metric}/{choice.part}/{best.readout}"
    return f"{choice.kind}/{choice.part}/{choice.metric}"
