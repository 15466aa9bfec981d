"""Parts of reports on perplexity: forgetting against gain, loss and bits per byte, a table a text."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from common.report.html import figure, table, text
from model.evaluation.interface.defaults import html_table
from model.evaluation.interface.result import Parts, SweepResult
from model.evaluation.measures.perplexity import captions
from model.evaluation.measures.perplexity.figures import draw_forgetting, draw_perplexity
from model.evaluation.measures.perplexity.forgetting import Change, TextPerplexity
from model.evaluation.measures.perplexity.result import UNITS, Perplexity
from model.evaluation.measures.perplexity.table import HEADINGS, cells, rows

if TYPE_CHECKING:
    from model.evaluation.measures.perplexity.measure import PerplexitySummary

Compared = tuple[str, int, SweepResult, Sequence[Perplexity], "PerplexitySummary"]
"""Label and number of the group of a run, the run, its results and its statistics."""


def curves(
    sweep: SweepResult, results: Sequence[Perplexity], texts: Sequence[TextPerplexity], changes: Sequence[Change]
) -> str:
    """Forgetting against gain, then loss and bits per byte by step; empty where nothing was measured."""
    return _forgetting([(sweep.name, 0, changes)], results) + figure(
        draw_perplexity(sweep, texts), text(captions.of_curves(texts))
    )


def tables(results: Sequence[Perplexity], texts: Sequence[TextPerplexity], best: int) -> str:
    """A table a text, and how it was measured."""
    if not results:
        return ""
    last, parts = results[-1], []
    for name, role in last.roles.items():
        totals = last.totals[name]
        counts = ", ".join(f"{totals[unit]:,} {unit}s" for unit in UNITS)
        parts.append(f"<h3>{text(name)} ({text(role)})</h3>{html_table(rows(texts, name, best))}")
        parts.append(f'<p class="small">{totals["documents"]:,} documents: {counts} predicted.</p>')
    how = f"{captions.of_tables(texts)} Pieces of {last.document['context']} tokens."
    return f'<h2>Perplexity</h2>{"".join(parts)}<p class="small">{text(how)}</p>'


def compare(runs: Iterable[Compared]) -> Parts:
    """Forgetting against gain of several runs, and every text at the best checkpoint of each."""
    runs = list(runs)
    points = [(label, place, summary.forgetting) for label, place, _, _, summary in runs]
    lines = [
        [run.name, f"{row.text} ({row.role})", str(row.step), *cells(row)]
        for _, _, run, _, summary in runs
        for row in summary.perplexity
        if row.step == run.best.step
    ]
    shown = ([text(cell) for cell in line] for line in lines)
    section = table(["run", "text", "best step", *HEADINGS], shown, compact=True) if lines else ""
    return Parts(
        curves=_forgetting(points, next((results for *_, results, _ in runs if results), [])),
        section=f"<h2>Perplexity at the best checkpoints</h2>{section}" if section else "",
        over="documents" if any(row.intervals["byte"] for *_, summary in runs for row in summary.perplexity) else "",
    )


def _forgetting(runs: Sequence[tuple[str, int, Sequence[Change]]], results: Sequence[Perplexity]) -> str:
    """The picture of runs, each a label and the number of its colour."""
    roles = list(results[0].roles.values()) if results else []
    changes = [change for *_, own in runs for change in own]
    return figure(draw_forgetting(runs), text(captions.of_forgetting(changes, roles)))
