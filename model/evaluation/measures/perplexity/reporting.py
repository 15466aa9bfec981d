"""How perplexity tells of its results; the parts lie in the files beside."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from common.files import read_json
from model.evaluation.interface import defaults
from model.evaluation.interface.measure import Measure
from model.evaluation.interface.result import Group, Parts, Score, Statement, SweepResult
from model.evaluation.interface.store import result_file, standing_results, weights_digest
from model.evaluation.measures.perplexity import sections, table
from model.evaluation.measures.perplexity.forgetting import Change, TextPerplexity, forgetting, text_perplexities
from model.evaluation.measures.perplexity.planning import PerplexityPlanning
from model.evaluation.measures.perplexity.result import Perplexity, log_changes
from model.evaluation.measures.perplexity.statements import changes
from model.evaluation.statistics.bootstrap import Interval
from model.training.checkpoints.checkpoints import PROBE, Checkpoint


@dataclass
class PerplexitySummary:
    """Statistics of one run."""

    perplexity: list[TextPerplexity] = field(default_factory=list)
    """Text by text and by step."""
    forgetting: list[Change] = field(default_factory=list)
    """By step; empty without a text of the domain and a general one."""


class PerplexityReporting(PerplexityPlanning):
    """The hooks that read results."""

    results: list[Perplexity]

    def scores(self, result: Perplexity) -> dict[str, Score]:
        """See `Measure`."""
        return {f"perplexity/{name}": Score(float(result.value(name, "token")), lower=True) for name in result.roles}

    def summary_line(self, result: Perplexity) -> str:
        """See `Measure`."""
        return ", ".join(f"perplexity of {name} {result.value(name, 'token'):.2f}" for name in result.roles)

    def scalars(self, result: Perplexity) -> dict[str, float]:
        """Perplexity per token and per character, bits per byte."""
        tags: dict[str, float] = {}
        for name in result.roles:
            tags |= {f"perplexity/{name}/{unit}": result.value(name, unit) for unit in ("token", "character")}
            tags[f"bits_per_byte/{name}"] = result.value(name, "byte")
        return tags

    def tag(self, metric: str, result: Perplexity) -> str:
        """See `Measure`."""
        return f"{metric}/token"

    def interval(self, metric: str, step: int) -> Interval | None:
        """See `Measure`."""
        resamples, seed = self.config.sweep.bootstrap, self.config.probe.seed
        return self.at(step).interval(metric.partition("/")[2], "token", resamples, seed)

    def against(self, metric: str, step: int, other: Measure, other_step: int) -> Interval | None:
        """Change of the perplexity as a share."""
        resamples, seed = self.config.sweep.bootstrap, self.config.probe.seed
        if not resamples or not isinstance(other, PerplexityReporting):
            return None
        here, there = self.at(step), other.at(other_step)
        change, drawn = log_changes(here, there, metric.partition("/")[2], "token", resamples, seed)
        return Interval(*np.expm1([change, *np.percentile(drawn, [2.5, 97.5])]).tolist())

    def summarise(self, sweep: SweepResult) -> PerplexitySummary:
        """See `Measure`."""
        resamples, seed = self.config.sweep.bootstrap, self.config.probe.seed
        return PerplexitySummary(
            text_perplexities(self.results, resamples, seed), forgetting(self.results, resamples, seed)
        )

    def clause(self, sweep: SweepResult) -> str:
        """See `Measure`."""
        return table.clause(self.results, sweep.summary(self.name).perplexity, sweep.best.step)

    def tables(self, sweep: SweepResult) -> list[Table]:
        """One a text."""
        return [
            defaults.terminal_table(f"{name} ({role}); best checkpoint by {sweep.metric}", self._rows(name, sweep))
            for name, role in (self.results[0].roles if self.results else {}).items()
        ]

    def statements(self, runs: Sequence[SweepResult]) -> list[Statement]:
        """What the best checkpoints gained on the domain and what they forgot."""
        measured = [(run.best.step, run.summary(self.name).forgetting) for run in runs if run.measure(self.name)]
        return changes(measured)

    def report(self, sweep: SweepResult) -> Parts:
        """Forgetting against gain, loss and bits per byte by step; a table a text."""
        return Parts(
            curves=sections.curves(
                sweep, self.results, sweep.summary(self.name).perplexity, sweep.summary(self.name).forgetting
            ),
            section=sections.tables(self.results, sweep.summary(self.name).perplexity, sweep.best.step),
        )

    def compare(self, groups: Sequence[Group]) -> Parts:
        """Forgetting against gain of all runs, and every text at the best checkpoint of each."""
        runs = [
            (group.label, place, run, measure.results, run.summary(self.name))
            for place, group in enumerate(groups)
            for run in group.runs
            if (measure := run.measure(self.name))
        ]
        return sections.compare(runs)

    @classmethod
    def card(cls, run: Path, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        """How well this checkpoint predicts texts, and how well the untrained or imported net at step 0 did."""
        file = result_file(run, cls.name, checkpoint.step)
        digests = read_json(file)["digests"] if file.is_file() else {}
        if checkpoint.kind != PROBE or digests.pop("weights", None) != weights_digest(checkpoint):
            return []
        results = {result.step: result for result in standing_results(run, cls.name, digests, Perplexity)}
        steps = (
            {"step 0": 0, "this model": checkpoint.step}
            if checkpoint.step and 0 in results
            else {"this model": checkpoint.step}
        )
        units = {"token": "perplexity per token", "character": "perplexity per character", "byte": "bits per byte"}
        return [
            {"text": name, "kind": results[step].roles[name], "net": label}
            | {heading: round(float(results[step].value(name, unit)), 4) for unit, heading in units.items()}
            for name in results[checkpoint.step].roles
            for label, step in steps.items()
        ]

    def _rows(self, name: str, sweep: SweepResult) -> defaults.Rows:
        return table.rows(sweep.summary(self.name).perplexity, name, sweep.best.step)
