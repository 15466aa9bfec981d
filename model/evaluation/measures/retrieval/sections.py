"""Retrieval in the report of one run."""

import json

from common.report.html import figure, table, text
from model.evaluation.interface.result import Parts
from model.evaluation.measures.retrieval import captions
from model.evaluation.measures.retrieval.figure import draw
from model.evaluation.measures.retrieval.figure_statistics import draw_budgets, draw_scatter
from model.evaluation.measures.retrieval.result import Findings, Shown
from model.evaluation.measures.retrieval.summary import RetrievalSummary
from model.evaluation.measures.retrieval.table import READS, columns, lines

HOW = """Every checkpoint gets the same probe: its texts are encoded, the vectors centred and whitened with statistics
of training texts (if <code>whiten</code>), a map is trained on the same pairs in the same order, then every query meets
every document."""


def of_run(found: Findings, summary: RetrievalSummary) -> Parts:
    """Loss and retrieval by step; loss against retrieval, fewer probe steps; the table and how it was measured."""
    figures = [
        figure(draw_scatter([Shown(found.sweep.name, 0, [found])]), text(captions.SCATTER)),
        figure(draw_budgets([summary]), text(captions.BUDGETS)),
    ]
    return Parts(figure(draw(found), text(captions.of_run(found))), "\n".join(figures), _numbers(found, summary))


def _numbers(found: Findings, summary: RetrievalSummary) -> str:
    best = found.best.document
    counts = (
        f"{best['queries']['test']} test queries over {best['documents']['test']} documents;"
        f" {best['pairs']} training pairs"
    )
    reads = f"metrics of the readout {found.best.readout}, {READS[found.best.readout]}"
    return f"""<h2>{"Retrieval" if found.sweep.decoder else "Numbers"}</h2>
{_table(found)}
<p class="small">{text(counts)}; {text(reads)}. The best checkpoint is chosen by {text(found.metric)}.</p>
{_intervals(found, summary)}
{how(best["settings"], bool(found.untrained))}"""


def how(settings: dict, untrained: bool) -> str:
    """The probe in words and its settings; ``untrained``: whether step 0 was saved."""
    zero = " The net of step 0 went through it too and stands here with its best readout." if untrained else ""
    return f"""<h2>How it was measured</h2>
<p class="small">{HOW}{zero}</p>
<pre>{text(json.dumps(settings))}</pre>"""


def _table(found: Findings) -> str:
    rows, names, before = [], [], False
    for line in lines(found):
        own = ["best"] if line.best else ["baseline"] * line.baseline + ["first"] * (line.baseline and not before)
        rows.append([text(cell) for cell in line.cells])
        names.append(" ".join(own))
        before = line.baseline
    return table(columns(found), rows, names=names, compact=True)


def _intervals(found: Findings, summary: RetrievalSummary) -> str:
    """Every checkpoint with the interval of its mean, and of its difference to the untrained net."""
    if None in summary.means.values():
        return ""
    rows, names = [], []
    for step, mean in summary.means.items():
        difference = f"{found.differences[step]:+.3f}" if step in found.differences else ""
        rows.append([str(step), f"{mean:.3f}", difference])
        names.append("best" if step == found.best.step else "")
    headings = ["step", "nDCG@10, 95% interval", f"minus {found.start}"]
    note = (
        "Intervals: bootstrap over queries; that of the difference is paired. They cover other queries, not other"
        " seeds."
    )
    return f'{table(headings, rows, names=names, compact=True)}\n<p class="small">{note}</p>'
