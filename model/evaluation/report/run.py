"""report.html of a run: what each measure shows of its checkpoints, the statistics, and the files."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.files import atomic_file, write_json
from common.layout import BEST, CHECKPOINTS, CONFIG, CURVES, MANIFEST, METRICS, REPORT, RESULTS
from common.manifest import of_models
from common.report.html import facts, page, text
from model.evaluation.interface.result import Parts, SweepResult
from model.evaluation.report.statements import statements

FILES = {
    RESULTS: "results of every checkpoint, JSON and the values of every query or document, and the statistics",
    METRICS: "losses of every step",
    CONFIG: "the frozen configuration",
    MANIFEST: "inputs, versions, attempts",
    f"{CHECKPOINTS}/{BEST}": "the best checkpoint",
    CHECKPOINTS: "all checkpoints",
    CURVES: "the same curves for TensorBoard",
}


def write_report(sweep: SweepResult) -> Path:
    """Write ``report.html`` and ``eval/statistics.json`` into the run folder; return the path of the report."""
    write_statistics(sweep.run / RESULTS / "statistics.json", [sweep])
    path = sweep.run / REPORT
    with atomic_file(path, "w", encoding="utf-8") as file:
        file.write(page(f"{subject([sweep])} over the checkpoints of {sweep.name}", _body(sweep), narrow=True))
    return path


def write_statistics(path: Path, runs: Sequence[SweepResult]) -> None:
    """Write the statistics of ``runs`` as JSON: of each run by measure, and of all together."""
    names = dict.fromkeys(name for run in runs for name in run.measures)
    each = [{"name": run.name} | {name: _plain(run.summary(name)) for name in run.measures} for run in runs]
    first = {name: next(run.measures[name] for run in runs if name in run.measures) for name in names}
    together = {name: _plain(measure.across(runs)) for name, measure in first.items()}
    write_json(path, {"kind": "sweep statistics", "runs": each, "together": together})


def subject(runs: Iterable[SweepResult]) -> str:
    """What was measured, as a title."""
    *first, last = dict.fromkeys(name for run in runs for name in run.measures)
    return f"{', '.join(first)} and {last}".capitalize() if first else last.capitalize()


def full_verdict(sweep: SweepResult) -> str:
    """The verdicts on all that was measured, and what failed."""
    measures = sweep.measures.values()
    clauses = [clause for measure in measures if (clause := measure.clause(sweep)) is not None]
    told = "; ".join([f"Best checkpoint by {sweep.metric}: step {sweep.best.step}", *filter(None, clauses)])
    sentences = [sentence for measure in measures if (sentence := measure.sentence(sweep))]
    failed = [] if sentences else [f"Step {step} failed: {cause}." for step, cause in sweep.failed.items()]
    return " ".join([*([f"{told}."] if clauses else []), *sentences, *failed])


def statistics(runs: Sequence[SweepResult]) -> str:
    """Name, value and sentence of each statistic, under a heading."""
    rows = statements(runs)
    return f"<h2>Statistics</h2>\n{facts(rows)}" if rows else ""


def assemble(parts: Sequence[Parts], statistics: str, table: str = "") -> list[str]:
    """The parts of measures in the order of a report: curves, statistics and what they rest on, tables."""
    curves, figures = [part.curves for part in parts], [part.figures for part in parts]
    return [*curves, statistics, *figures, table, *(part.section for part in parts)]


def written(sweep: SweepResult) -> str:
    """When and with what a result was made."""
    result = sweep.best.document
    made_with = ", ".join(f"{name} {number}" for name, number in of_models(result["versions"]).items())
    return f'<p class="small">Written {text(result["created"])} with {text(made_with)}.</p>'


def _body(sweep: SweepResult) -> str:
    parts = [measure.report(sweep) for measure in sweep.measures.values()]
    shown = [f"<p>{text(full_verdict(sweep))}</p>", *assemble(parts, statistics([sweep]))]
    files = f'<h2>Files</h2>\n<ul class="small">{_links(sweep.run)}</ul>'
    return "\n".join([*shown, files, written(sweep)])


def _links(run: Path) -> str:
    present = {name: note for name, note in FILES.items() if (run / name).exists()}
    return "".join(f'<li><a href="{name}">{name}</a>: {text(note)}</li>' for name, note in present.items())


def _plain(value: Any) -> Any:
    """``value`` with None in place of nan, which JSON does not have."""
    if is_dataclass(value):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and np.isnan(value) else value
