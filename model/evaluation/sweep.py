"""Measures over the checkpoints of runs, and the best checkpoint of each run."""

from dataclasses import dataclass, replace
from functools import cached_property
from glob import glob
from pathlib import Path
from typing import Any

from common.claim import Claim
from common.errors import UserError
from common.layout import HF, checkpoints_folder
from common.layout import TOKENIZER as TOKENIZER_NAME
from conf.schema import Config, SweepConfig
from model.evaluation.choice import choose, scores
from model.evaluation.interface.measure import Measure
from model.evaluation.interface.result import SweepResult
from model.evaluation.interface.store import Result, read_failures
from model.evaluation.pending import Claims, measure_pending, probe_checkpoints
from model.evaluation.registry import check_metric, is_decoder, wanted
from model.evaluation.scalars import write_row, write_scalars
from model.training.checkpoints.checkpoints import Checkpoint, set_link

TOKENIZER = f"{HF}/{TOKENIZER_NAME}"


class Shared:
    """What the checkpoints with one tokenizer share, of whatever runs: for each measure what its `share` returns."""

    def __init__(self, config: Config, tokenizer_file: Path):
        self.config, self.tokenizer_file = config, tokenizer_file
        self.parts: dict[str, Any] = {}

    def of(self, measure: type[Measure]) -> Any:
        """The part of a measure, made when it is first asked for."""
        if measure.name not in self.parts:
            self.parts[measure.name] = measure.share(self.config, self.tokenizer_file)
        return self.parts[measure.name]


@dataclass
class Measured:
    """The measures of one run, made for all of its checkpoints that this process is for."""

    config: Config
    run: Path
    checkpoints: list[Checkpoint]
    shared: Shared

    @cached_property
    def measures(self) -> list[Measure]:
        """Those that are wanted, in the order of the registry."""
        classes = wanted(self.config, self.checkpoints[-1])
        return [measure(self.config, self.run, self.shared.of(measure)) for measure in classes]


def find_runs(config: SweepConfig) -> list[Path]:
    """The run folders that are named by ``runs``, globs expanded, else the one in ``run``. Raises UserError for a glob
    without a run."""
    if not config.runs:
        return [Path(config.run)]
    runs: dict[Path, Path] = {}
    for name in config.runs:
        below = [run for run in map(Path, sorted(glob(name))) if checkpoints_folder(run).is_dir()]
        matches = [Path(name)] if Path(name).is_dir() else below
        if not matches:
            raise UserError(
                f"sweep.runs: no run with checkpoints matches {name}; give folders of runs such as runs/mine/seed_0, or"
                " a glob"
            )
        runs |= {run.resolve(): run for run in matches}
    return list(runs.values())


def sweep_runs(config: Config, claims: Claims = Claim) -> list[SweepResult]:
    """`sweep` of each run of `find_runs`, all of which must have probe checkpoints before the first probe begins."""
    runs = find_runs(config.sweep)
    for run in runs:
        probe_checkpoints(run)
    shared: dict[str, Shared] = {}
    return [sweep(replace(config, sweep=replace(config.sweep, run=str(run))), shared, claims) for run in runs]


def probe_runs(config: Config, claims: Claims = Claim) -> None:
    """Measure the checkpoints of ``sweep.array_task``, or that of ``sweep.step``, in each run of `find_runs`, and do
    nothing else."""
    shared: dict[str, Shared] = {}
    for run in find_runs(config.sweep):
        _measure(replace(config, sweep=replace(config.sweep, run=str(run))), shared, claims)


def _measure(config: Config, shared: dict[str, Shared], claims: Claims) -> Measured:
    """Measure what is pending in one run."""
    run = Path(config.sweep.run)
    checkpoints = probe_checkpoints(run)
    last = checkpoints[-1]
    own = shared.setdefault(last.manifest["files"][TOKENIZER], Shared(config, last.folder / TOKENIZER))
    measured = Measured(config, run, checkpoints, own)
    measure_pending(config, run, checkpoints, measured.measures, claims)
    return measured


def sweep(config: Config, shared: dict[str, Shared] | None = None, claims: Claims = Claim) -> SweepResult:
    """Measure every probe checkpoint of ``config.sweep.run`` whose result is missing or was made otherwise, in this
    process.

    ``shared`` keeps what runs with one tokenizer share, by the tokenizer's digest; ``claims`` makes the claim in a
    file. Writes eval/<measure>/step_*.json after each measure, so that an interrupted sweep goes on where it was; then
    the scalars of tb/probe, the run's row of the HParams tab, and the link ``checkpoints/best``. Raises UserError where
    the run, its probe checkpoints, the metric or what a measure reads does not exist, and for a checkpoint that is
    damaged or of another shape.
    """
    run = Path(config.sweep.run)
    check_metric(config)
    measured = _measure(config, {} if shared is None else shared, claims)
    failed = read_failures(run)
    for measure in measured.measures:
        measure.finish(measured.checkpoints)
    results = _results(measured.measures)
    if not results:
        step, cause = next(iter(failed.items()))
        raise UserError(f"no probe of {run} has a result; that of step {step} failed: {cause}")
    chooser, metric = choose(config, measured.measures)
    values = scores(chooser, metric)
    write_scalars(run, measured.measures)
    there = [checkpoint.step for checkpoint in measured.checkpoints]
    step = values.best([step for step in there if all(measure.at(step) for measure in measured.measures)])
    if step is None:
        raise UserError(
            f"no checkpoint of {run} that is still there has a value of {metric}; run jobs.sweep with retry_failed=true"
        )
    set_link(run, "best", step)
    write_row(run, chooser.tag(metric, chooser.at(step)), values.values[step], step, list(results.values()))
    by_name = {measure.name: measure for measure in measured.measures}
    decoder = is_decoder(measured.checkpoints[-1])
    return SweepResult(run, metric, list(results.values()), results[step], failed, decoder, by_name)


def _results(measures: list[Measure]) -> dict[int, Result]:
    """A result of each checkpoint that has one, by step, for what all of them repeat of its manifest."""
    by_step = {result.step: result for measure in measures for result in measure.results}
    return dict(sorted(by_step.items()))
