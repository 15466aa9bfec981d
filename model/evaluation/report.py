"""report.html of a run: loss, retrieval, perplexity and tasks over its checkpoints, the statistics, and how it was
measured."""

import json
from pathlib import Path

from common.files import atomic_file, read_json
from common.layout import BEST, CHECKPOINTS, CONFIG, MANIFEST, METRICS, REPORT, RESULTS
from common.manifest import of_models
from model.evaluation import captions
from model.evaluation.figure import draw
from model.evaluation.figure_statistics import draw_budgets, draw_scatter
from model.evaluation.groups import Group
from model.evaluation.page import figure, page, statistics, table, text
from model.evaluation.sections import decoder_figures, decoder_sections
from model.evaluation.statements import statements
from model.evaluation.summary import RunSummary, Summary, write_summary
from model.evaluation.sweep import SweepResult
from model.evaluation.table import READS, columns, lines, verdict
from model.evaluation.table_texts import text_verdict

FILES = {
    "eval": "results of every checkpoint, JSON and the values of every query or document, and the statistics",
    METRICS: "losses of every step",
    CONFIG: "the frozen configuration",
    MANIFEST: "inputs, versions, attempts",
    f"{CHECKPOINTS}/{BEST}": "the best checkpoint",
    "checkpoints": "all checkpoints",
    "tb": "the same curves for TensorBoard",
}


def write_report(found: SweepResult, summary: Summary) -> Path:
    """Write ``report.html`` and ``eval/statistics.json`` into the run folder; return the path of the report."""
    write_summary(found.run / RESULTS / "statistics.json", summary)
    path = found.run / REPORT
    with atomic_file(path, "w", encoding="utf-8") as file:
        file.write(page(f"{subject([found])} over the checkpoints of {found.name}", _body(found, summary)))
    return path


def subject(found: list[SweepResult]) -> str:
    """What was measured, as a title."""
    wanted = [one.wanted for one in found]
    parts = {
        "perplexity": any(one.perplexity for one in wanted),
        "tasks": any(one.tasks for one in wanted),
        "retrieval": any(one.retrieval for one in wanted),
    }
    *first, last = (name for name, there in parts.items() if there)
    return f"{', '.join(first)} and {last}".capitalize() if first else last.capitalize()


def _body(found: SweepResult, summary: Summary) -> str:
    run = summary.runs[0]
    return f"""<p>{text(full_verdict(found, run))}</p>
{decoder_figures(found, run)}
{_retrieval_figure(found)}
{statistics(statements([found], summary))}
{figure(draw_scatter([Group(found.name, [found])]), captions.SCATTER)}
{figure(draw_budgets(summary), captions.BUDGETS)}
{decoder_sections(found, run)}
{_retrieval_numbers(found, summary)}
<h2>Files</h2>
<ul class="small">{_links(found.run)}</ul>
{written(read_json(found.best.file))}"""


def full_verdict(found: SweepResult, summary: RunSummary) -> str:
    """The verdicts on all that was measured, and what failed."""
    failed = (
        ""
        if found.wanted.retrieval
        else " ".join(f"Step {step} failed: {cause}." for step, cause in found.failed.items())
    )
    parts = [text_verdict(found, summary), verdict(found) if found.wanted.retrieval else "", failed]
    return " ".join(part for part in parts if part)


def _retrieval_figure(found: SweepResult) -> str:
    return figure(draw(found), captions.of_run(found)) if found.wanted.retrieval else ""


def _retrieval_numbers(found: SweepResult, summary: Summary) -> str:
    """The table with its intervals, and how it was measured."""
    if not found.wanted.retrieval:
        return ""
    best = read_json(found.best.file)
    counts = (
        f"{best['queries']['test']} test queries over {best['documents']['test']} documents; {best['pairs']} training"
        " pairs"
    )
    reads = f"metrics of the readout {found.best.readout}, {READS[found.best.readout]}"
    return f"""<h2>{"Retrieval" if found.wanted.decoder else "Numbers"}</h2>
{_table(found)}
<p class="small">{text(counts)}; {text(reads)}. The best checkpoint is chosen by {text(found.metric)}.</p>
{_intervals(found, summary)}
{how(best["settings"], bool(found.untrained))}"""


def how(settings: dict, untrained: bool) -> str:
    """The probe in words and its settings; ``untrained``: whether step 0 was saved."""
    zero = " The net of step 0 went through it too and stands here with its best readout." if untrained else ""
    return f"""<h2>How it was measured</h2>
<p class="small">Every checkpoint gets the same probe: its texts are encoded, the vectors centred and whitened with statistics of training texts
(if <code>whiten</code>), a map is trained on the same pairs in the same order, then every query meets every document.{zero}</p>
<pre>{text(json.dumps(settings))}</pre>"""


def written(result: dict) -> str:
    """When and with what a result was made."""
    made_with = ", ".join(f"{name} {number}" for name, number in of_models(result["versions"]).items())
    return f'<p class="small">Written {text(result["created"])} with {text(made_with)}.</p>'


def _table(found: SweepResult) -> str:
    rows, before = [([text(name) for name in columns(found)], "")], False
    for line in lines(found):
        names = ["best"] if line.best else ["baseline"] * line.baseline + ["first"] * (line.baseline and not before)
        rows.append(([text(cell) for cell in line.cells], " ".join(names)))
        before = line.baseline
    return table(rows)


def _intervals(found: SweepResult, summary: Summary) -> str:
    """Every checkpoint with the interval of its mean, and of its difference to the untrained encoder."""
    means = summary.runs[0].means
    if None in means.values():
        return ""
    rows = [(["step", "nDCG@10, 95% interval", f"minus {found.start}"], "")]
    for step, mean in means.items():
        difference = f"{found.differences[step]:+.3f}" if step in found.differences else ""
        rows.append(([str(step), f"{mean:.3f}", difference], "best" if step == found.best.step else ""))
    note = (
        "Intervals: bootstrap over queries; that of the difference is paired. They cover other queries, not other"
        " seeds."
    )
    return f'{table(rows)}\n<p class="small">{note}</p>'


def _links(run: Path) -> str:
    present = {name: note for name, note in FILES.items() if (run / name).exists()}
    return "".join(f'<li><a href="{name}">{name}</a>: {text(note)}</li>' for name, note in present.items())
