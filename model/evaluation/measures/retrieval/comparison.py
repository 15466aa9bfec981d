"""Retrieval in the report of several runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from common.report.html import figure, text
from model.evaluation.interface.result import Parts, common_start
from model.evaluation.measures.retrieval import captions
from model.evaluation.measures.retrieval.figure_runs import draw_runs
from model.evaluation.measures.retrieval.figure_statistics import draw_budgets, draw_scatter
from model.evaluation.measures.retrieval.result import NDCG, Findings, Shown
from model.evaluation.measures.retrieval.sections import how
from model.evaluation.measures.retrieval.summary import RetrievalSummary


class Probed(NamedTuple):
    """Runs of one configuration on which retrieval was measured."""

    label: str
    place: int
    """Number of the colour."""
    runs: Sequence[tuple[Findings, RetrievalSummary]]


def of_runs(groups: Sequence[Probed]) -> Parts:
    """Loss and retrieval over tokens; loss against retrieval, fewer probe steps; the settings; columns of the runs."""
    shown = [Shown(group.label, group.place, [found for found, _ in group.runs]) for group in groups]
    runs = [pair for group in groups for pair in group.runs]
    budgets = f"{captions.BUDGETS} Thin lines: runs; thick: their mean."
    figures = [
        figure(draw_scatter(shown), text(captions.SCATTER)),
        figure(draw_budgets([summary for _, summary in runs]), text(budgets)),
    ]
    settings = runs[0][0].best.document["settings"]
    return Parts(
        curves=figure(draw_runs(shown), text(captions.of_runs(shown))),
        figures="\n".join(figures),
        section=how(settings, any(found.untrained for found, _ in runs)),
        columns=_columns(runs),
        note="its nDCG@10 on test queries",
        over="queries" if any(found.differences for found, _ in runs) else "",
    )


def _columns(runs: Sequence[tuple[Findings, RetrievalSummary]]) -> dict[str, dict[Path, str]]:
    start = common_start([found.sweep for found, _ in runs])
    columns: dict[str, dict[Path, str]] = {name: {} for name in ("nDCG@10", f"minus {start}", "Spearman", "lag, steps")}
    for found, summary in runs:
        difference = found.differences.get(found.best.step)
        cells = (
            f"{found.best.mean('test', NDCG):.3f}",
            "" if difference is None else f"{difference:+.3f}",
            "" if summary.correlation is None else f"{summary.correlation.rho:+.2f}",
            "" if summary.lag is None else f"{summary.lag.steps:+d}",
        )
        for column, cell in zip(columns.values(), cells, strict=True):
            column[found.sweep.run] = cell
    return columns
