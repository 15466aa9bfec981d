"""How retrieval tells of its results; the parts lie in the files beside."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from model.evaluation.interface.measure import Measure
from model.evaluation.interface.result import Group, Parts, Score, Statement, SweepResult
from model.evaluation.interface.store import (
    result_file,
)
from model.evaluation.measures.retrieval import comparison, sections, statements, summary, table
from model.evaluation.measures.retrieval.card import card_rows
from model.evaluation.measures.retrieval.metrics import parse_metric
from model.evaluation.measures.retrieval.planning import RetrievalPlanning
from model.evaluation.measures.retrieval.result import NDCG, Findings, ProbeScores
from model.evaluation.statistics.bootstrap import Interval, bootstrap_mean, paired_bootstrap
from model.training.checkpoints.checkpoints import Checkpoint


class RetrievalReporting(RetrievalPlanning):
    """The hooks that read results."""

    results: list[ProbeScores]
    budgets: dict[int, list[ProbeScores]]
    bm25: dict[str, dict[str, float]]
    differences: dict[int, Interval]

    def findings(self, sweep: SweepResult) -> Findings:
        """What tables and reports are made of."""
        best = self.at(sweep.best.step)
        return Findings(sweep, self.results, best, self.untrained, self.differences, self.bm25, self.budgets)

    def scores(self, result: ProbeScores) -> dict[str, Score]:
        """See `Measure`."""
        return {name: Score(result.mean(*name.split("/"))) for name in self.metric_names(self.config)}

    def scalars(self, result: ProbeScores) -> dict[str, float]:
        """Every metric of every readout and split."""
        return {
            f"retrieval/{name}/{split}/{readout}": value
            for readout, splits in result.metrics.items()
            for split, metrics in splits.items()
            for name, value in metrics.items()
        }

    def tag(self, metric: str, result: ProbeScores) -> str:
        """See `Measure`."""
        split, name = parse_metric(metric)
        return f"retrieval/{name}/{split}/{result.readout}"

    def interval(self, metric: str, step: int) -> Interval | None:
        """See `Measure`; of nDCG@10."""
        split, name = parse_metric(metric)
        resamples, seed = self.config.sweep.bootstrap, self.config.probe.seed
        if not resamples or name != NDCG:
            return None
        return bootstrap_mean(self.at(step).per_query(split), resamples, seed)

    def against(self, metric: str, step: int, other: Measure, other_step: int) -> Interval | None:
        """See `Measure`; of nDCG@10."""
        split, name = parse_metric(metric)
        resamples, seed = self.config.sweep.bootstrap, self.config.probe.seed
        if not resamples or name != NDCG:
            return None
        pair = (self.at(step).per_query(split), other.at(other_step).per_query(split))
        return paired_bootstrap(*pair, resamples, seed)

    def summarise(self, sweep: SweepResult) -> summary.RetrievalSummary:
        """See `Measure`."""
        return summary.summarise(self.findings(sweep), self.config.sweep.bootstrap, self.config.probe.seed)

    def across(self, runs: Sequence[SweepResult]) -> Any:
        """Correlation of loss and retrieval, pooled within runs."""
        resamples, seed = self.config.sweep.bootstrap, self.config.probe.seed
        return summary.pooled([findings for findings, _ in self._of(runs)], resamples, seed)

    def clause(self, sweep: SweepResult) -> None:
        """See `sentence`."""
        return

    def sentence(self, sweep: SweepResult) -> str:
        """The best checkpoint against the best untrained readout, and the probes that failed."""
        return table.verdict(self.findings(sweep))

    def tables(self, sweep: SweepResult) -> list[Table]:
        """See `Measure`."""
        return [table.render(self.findings(sweep))]

    def statements(self, runs: Sequence[SweepResult]) -> list[Statement]:
        """See `Measure`."""
        return statements.statements(self._of(runs), self.across(runs))

    def report(self, sweep: SweepResult) -> Parts:
        """Loss and retrieval over steps, the statistics' pictures, the table and the settings."""
        return sections.of_run(self.findings(sweep), sweep.summary(self.name))

    def compare(self, groups: Sequence[Group]) -> Parts:
        """Loss and retrieval over tokens, the statistics' pictures, columns of the table of runs."""
        probed = [
            comparison.Probed(group.label, place, self._of(group.runs))
            for place, group in enumerate(groups)
            if self._of(group.runs)
        ]
        return comparison.of_runs(probed)

    @classmethod
    def card(cls, run: Path, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        """What the probes of this checkpoint and of the untrained net measured on test queries."""
        return card_rows(*(result_file(run, cls.name, step) for step in (checkpoint.step, 0)), checkpoint, run)

    @classmethod
    def card_heading(cls) -> str:
        """See `Measure`."""
        return "Results"

    def _of(self, runs: Sequence[SweepResult]) -> list[tuple[Findings, summary.RetrievalSummary]]:
        """Findings and statistics of the runs that have them."""
        probed = [(run, measure) for run in runs if (measure := run.measure(self.name))]
        return [(measure.findings(run), run.summary(self.name)) for run, measure in probed]
