"""Which of several averages is kept: each is made, measured as the checkpoints of a run are, and the best stays.

The averages are checkpoints of a run folder of their own while they are chosen among, step 3 being the average of the
last 3; so whatever a sweep measures of a run, it measures of them, and what is measured already stands when an
interrupted selection goes on."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.files import make_folder
from common.layout import CONFIG, checkpoint_name, checkpoints_folder
from common.progress import say
from common.remove import sweep_asides
from conf.schema import Config
from model.evaluation.choice import scores
from model.evaluation.interface.result import Scores, SweepResult
from model.evaluation.pending import Claims
from model.evaluation.statistics.bootstrap import Interval
from model.evaluation.sweep import Shared, sweep
from model.surgery.average import combine, identity
from model.surgery.inputs import HALF, TOKENIZER, Model
from model.training.checkpoints.checkpoints import PROBE, list_checkpoints, remove_checkpoint
from model.training.checkpoints.write import write_checkpoint

WeightsOf = Callable[[int], list[float]]
"""Number of models -> their weights."""


@dataclass(frozen=True)
class Row:
    """One model, measured."""

    name: str
    value: float
    interval: Interval | None
    """95% interval, over queries or documents; None where the metric has none, or without a bootstrap."""


@dataclass(frozen=True)
class Selection:
    """What a choice among averages came to."""

    metric: str
    lower: bool
    """Whether less is better."""
    averages: dict[int, Row]
    """Number of models averaged -> its measurement."""
    single: Row
    """The best of the models by itself."""
    window: int
    """The number that is best."""
    difference: Interval | None
    """That average against that single model on the same queries (a difference) or documents (a share of the
    perplexity); None where the metric has none, or without a bootstrap. The choice among averages is no part of the
    interval."""
    folder: Path
    """That average, in Hugging Face's format."""

    @property
    def gained(self) -> bool:
        """Whether the best average is better than the best single model."""
        best, single = self.averages[self.window].value, self.single.value
        return best < single if self.lower else best > single

    def plain(self) -> dict[str, Any]:
        """For the manifest."""
        averages = {str(window): asdict(row) for window, row in self.averages.items()}
        difference = self.difference and asdict(self.difference)
        return {
            "metric": self.metric,
            "lower": self.lower,
            "averages": averages,
            "single": asdict(self.single),
            "difference": difference,
        }


@dataclass(frozen=True)
class _Measured:
    """A run folder after its sweep."""

    sweep: SweepResult
    scores: Scores

    def row(self, step: int, name: str) -> Row:
        return Row(name, self.scores.values[step], self.sweep.chooser.interval(self.sweep.metric, step))

    def against(self, step: int, other: "_Measured", other_step: int) -> Interval | None:
        """The checkpoint of ``step`` against one of the ``other`` run; see `Selection.difference`."""
        return self.sweep.chooser.against(self.sweep.metric, step, other.sweep.chooser, other_step)


def select(
    config: Config, models: Sequence[Model], windows: Sequence[int], weights_of: WeightsOf, work: Path, claims: Claims
) -> Selection:
    """Average the last n of ``models`` for each n of ``windows`` and choose by ``sweep.metric``, in the folder
    ``work``.

    No more than two averages are there at a time, or all with ``merge.keep``. The models by themselves are measured
    first: those of ``merge.run`` as jobs.sweep does it, so that their results lie in the run; others aside. Errors are
    those of `combine` and `sweep`."""
    last = models[-1]  # averages come and go, its tokenizer stays
    shared = {last.files[TOKENIZER]: Shared(config, last.folder / TOKENIZER)} if TOKENIZER in last.files else {}
    alone, names = _single(config, models, work / "single", shared, claims)
    _clear(work, models, windows, weights_of)
    for window in windows:
        say(f"average the last {window} of {len(models)}: {', '.join(model.name for model in models[-window:])}")
        _make(work, window, models[-window:], weights_of(window))
        found = _measure(config, work, shared, claims)
        best = found.scores.best([checkpoint.step for checkpoint in list_checkpoints(work)])
        for checkpoint in list_checkpoints(work):
            if checkpoint.step != best and not config.merge.keep:
                remove_checkpoint(checkpoint)
    step = alone.scores.best(list(names))
    window = found.scores.best(list(windows))
    averages = {one: found.row(one, f"last {one}") for one in windows}
    folder = checkpoints_folder(work) / checkpoint_name(window) / HALF
    single, difference = alone.row(step, names[step]), found.against(window, alone, step)
    return Selection(found.sweep.metric, found.scores.lower, averages, single, window, difference, folder)


def _single(
    config: Config, models: Sequence[Model], folder: Path, shared: dict[str, Shared], claims: Claims
) -> tuple[_Measured, dict[int, str]]:
    """The models by themselves, measured; and the name of each by its step."""
    if not config.merge.checkpoints:
        return _measure(config, Path(config.merge.run), shared, claims), {
            model.checkpoint.step: model.name for model in models
        }
    _clear(folder, models, [], lambda count: [])
    for place, model in enumerate(models, 1):
        _make(folder, place, [model], [1.0])
    measured = _measure(config, folder, shared, claims)
    for checkpoint in list_checkpoints(folder):
        remove_checkpoint(checkpoint)
    return measured, {place: model.name for place, model in enumerate(models, 1)}


def _measure(config: Config, run: Path, shared: dict[str, Shared], claims: Claims) -> _Measured:
    own = replace(
        config.sweep,
        run=str(run),
        runs=[],
        bm25=False,
        budgets=[],
        array_task=None,
        step=None,
        force=False,
        retry_failed=True,
    )
    swept = sweep(replace(config, sweep=own), shared, claims)
    return _Measured(swept, scores(swept.chooser, swept.metric))


def _clear(work: Path, models: Sequence[Model], windows: Sequence[int], weights_of: WeightsOf) -> None:
    """Make ``work`` a run folder like that of the models, without averages of an earlier selection that is not this
    one."""
    sweep_asides(make_folder(checkpoints_folder(work)))
    run = models[-1].checkpoint and models[-1].checkpoint.folder.parents[1]
    if run and (run / CONFIG).is_file():  # the length of documents and the shape that a sweep reads there
        shutil.copyfile(run / CONFIG, work / CONFIG)
    for checkpoint in list_checkpoints(work):
        if checkpoint.step not in windows or not _is(
            checkpoint.folder / HALF, models[-checkpoint.step :], weights_of(checkpoint.step)
        ):
            remove_checkpoint(checkpoint)


def _is(folder: Path, models: Sequence[Model], weights: Sequence[float]) -> bool:
    """Whether ``folder`` holds the combination of ``models``."""
    return (folder / manifests.NAME).is_file() and manifests.read(folder)["parents"] == identity(models, weights)


def _make(run: Path, step: int, models: Sequence[Model], weights: Sequence[float]) -> None:
    """The combination of ``models`` as the checkpoint of ``step``, where it is not there."""
    if (checkpoints_folder(run) / checkpoint_name(step) / manifests.NAME).is_file():
        return
    trained = models[-1].checkpoint.manifest if models[-1].checkpoint else {}
    known = {"tokens": trained.get("tokens", 0), "samples": trained.get("samples", 0)}
    write_checkpoint(run, step, PROBE, lambda folder: combine(models, weights, folder / HALF), **known)
