"""The report over several runs: what each measure shows of them, the statistics, a line a run."""

import os
from collections.abc import Sequence
from pathlib import Path

from common.files import atomic_file
from common.layout import REPORT
from common.report.html import page, table, text
from common.report.palette import series_name
from model.evaluation.interface.defaults import count
from model.evaluation.interface.result import Group, Parts, SweepResult
from model.evaluation.report.groups import group_runs
from model.evaluation.report.run import assemble, statistics, subject, write_statistics, written


def comparison_folder(runs: list[Path]) -> Path:
    """Where the report lies if nobody says otherwise: comparison/ below the folder that holds all runs."""
    return Path(os.path.commonpath([run.resolve().parent for run in runs])) / "comparison"


def write_comparison(folder: Path, runs: list[SweepResult]) -> Path:
    """Write ``report.html`` and ``statistics.json`` into ``folder``; return the path of the report."""
    write_statistics(folder / "statistics.json", runs)
    path, groups = folder / REPORT, group_runs(runs)
    title = f"{subject(runs)} over the checkpoints of {len(runs)} run{'s' * (len(runs) > 1)}"
    with atomic_file(path, "w", encoding="utf-8") as file:
        file.write(page(title, _body(folder, runs, groups), narrow=True))
    return path


def _body(folder: Path, runs: Sequence[SweepResult], groups: Sequence[Group]) -> str:
    measures = {name: measure for run in runs for name, measure in run.measures.items()}
    parts = [measure.compare(groups) for measure in measures.values()]
    lines = f'<h2>Runs</h2>\n{_table(folder, groups, parts)}\n<p class="small">{text(_note(runs, parts))}</p>'
    return "\n".join([*assemble(parts, statistics(runs), lines), written(runs[0])])


def _note(runs: Sequence[SweepResult], parts: Sequence[Parts]) -> str:
    notes, over = (
        " and ".join(filter(None, values)) for values in zip(*((p.note, p.over) for p in parts), strict=True)
    )
    named = f", with {notes}" if notes else ""
    return (
        f"Best checkpoint of each run by {runs[0].metric}{named}{f'; intervals are 95% over {over}' if over else ''}."
    )


def _table(folder: Path, groups: Sequence[Group], parts: Sequence[Parts]) -> str:
    columns = {heading: cells for part in parts for heading, cells in part.columns.items()}
    paths = [run.run.resolve() for group in groups for run in group.runs]
    unique = len({path.name for path in paths}) == len(paths)
    rows, names = [], []
    for place, group in enumerate(groups):
        for run in group.runs:
            name = run.run.resolve().name if unique else run.name
            link = os.path.relpath(run.run.resolve() / REPORT, folder.resolve())
            mark = f'<span style="color: var(--{series_name(place)})">&#9632;</span>'
            rows.append([
                f'{mark}&nbsp;<a href="{text(link)}">{text(name)}</a>',
                str(run.best.step),
                count(run.best.tokens),
                *(cells.get(run.run, "") for cells in columns.values()),
                text(group.label),
            ])  # fmt: skip
            names.append("first" if place and run is group.runs[0] else "")
    headings = ["run", "best step", "tokens", *columns, "configuration"]
    return table(headings, rows, names=names, compact=True)
