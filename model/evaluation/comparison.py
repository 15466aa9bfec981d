"""The report over several runs: one curve a configuration with its seeds as a band, the statistics, a line a run."""

import os
from pathlib import Path

from common.files import atomic_file, read_json
from common.layout import REPORT
from model.evaluation import captions
from model.evaluation.figure_runs import draw_runs
from model.evaluation.figure_statistics import draw_budgets, draw_scatter
from model.evaluation.groups import Group, group_runs
from model.evaluation.page import figure, page, statistics, table, text
from model.evaluation.report import how, subject, written
from model.evaluation.sections import forgetting_of_runs
from model.evaluation.statements import statements
from model.evaluation.summary import RunSummary, Summary, write_summary
from model.evaluation.svg import COLOURS
from model.evaluation.sweep import NDCG, SweepResult, common_start
from model.evaluation.table import count
from model.evaluation.table_texts import perplexity_cells, perplexity_heads, task_rows


def comparison_folder(runs: list[Path]) -> Path:
    """Where the report lies if nobody says otherwise: comparison/ below the folder that holds all runs."""
    return Path(os.path.commonpath([run.resolve().parent for run in runs])) / "comparison"


def write_comparison(folder: Path, found: list[SweepResult], summary: Summary) -> Path:
    """Write ``report.html`` and ``statistics.json`` into ``folder``; return the path of the report."""
    write_summary(folder / "statistics.json", summary)
    path, groups = folder / REPORT, group_runs(found)
    with atomic_file(path, "w", encoding="utf-8") as file:
        file.write(
            page(
                f"{subject(found)} over the checkpoints of {len(found)} run{'s' * (len(found) > 1)}",
                _body(folder, found, groups, summary),
            )
        )
    return path


def _body(folder: Path, found: list[SweepResult], groups: list[Group], summary: Summary) -> str:
    summaries = dict(zip((one.run for one in found), summary.runs, strict=True))
    probed = [
        Group(group.label, runs) for group in groups if (runs := [one for one in group.runs if one.wanted.retrieval])
    ]
    changes = [
        (group.label, number, summaries[one.run].forgetting)
        for number, group in enumerate(groups)
        for one in group.runs
    ]
    best = read_json(found[0].best.file)
    return f"""{forgetting_of_runs(changes, found)}
{figure(draw_runs(probed), captions.of_runs(probed)) if probed else ""}
{statistics(statements(found, summary))}
{figure(draw_scatter(probed), captions.SCATTER)}
{figure(draw_budgets(summary), f"{captions.BUDGETS} Thin lines: runs; thick: their mean.")}
<h2>Runs</h2>
{_table(folder, groups, summaries)}
<p class="small">{text(_note(found, summary))}</p>
{_texts(groups, summaries)}
{_tasks(groups)}
{how(best["settings"], any(one.untrained for one in found)) if probed and "settings" in best else ""}
{written(best)}"""


def _note(found: list[SweepResult], summary: Summary) -> str:
    probed = any(one.wanted.retrieval for one in found)
    named = ", with its nDCG@10 on test queries" if probed else ""
    drawn = {"queries": any(one.differences for one in found)}
    drawn["documents"] = any(text.intervals["byte"] for run in summary.runs for text in run.perplexity)
    over = " and ".join(name for name, there in drawn.items() if there)
    return (
        f"Best checkpoint of each run by {found[0].metric}{named}{f'; intervals are 95% over {over}' if over else ''}."
    )


def _texts(groups: list[Group], summaries: dict[Path, RunSummary]) -> str:
    """Every text at the best checkpoint of every run."""
    rows = [(["run", "text", "best step", *perplexity_heads()], "")]
    for group in groups:
        for one in group.runs:
            for found in summaries[one.run].perplexity:
                if found.step == one.best.step:
                    cells = [one.name, f"{found.text} ({found.role})", str(found.step), *perplexity_cells(found)]
                    rows.append(([text(cell) for cell in cells], ""))
    return f"<h2>Perplexity at the best checkpoints</h2>{table(rows)}" if len(rows) > 1 else ""


def _tasks(groups: list[Group]) -> str:
    """Every task at the best checkpoint of every run."""
    parts = []
    for one in (one for group in groups for one in group.runs if one.tasks):
        head, *rows = task_rows(one)
        kept = [cells for cells, best in rows if best]
        if not parts or parts[0] != ["run", *head[0]]:
            parts.append(["run", *head[0]])
        parts += [[one.name, *cells] for cells in kept]
    return (
        f"<h2>Tasks at the best checkpoints</h2>{table(([text(cell) for cell in cells], '') for cells in parts)}"
        if parts
        else ""
    )


def _table(folder: Path, groups: list[Group], summaries: dict[Path, RunSummary]) -> str:
    probed = any(one.wanted.retrieval for group in groups for one in group.runs)
    everyone = [one for group in groups for one in group.runs]
    measured = ["nDCG@10", f"minus {common_start(everyone)}", "Spearman", "lag, steps"] if probed else []
    rows = [(["run", "best step", "tokens", *measured, "configuration"], "")]
    runs = [one.run.resolve() for group in groups for one in group.runs]
    unique = len({run.name for run in runs}) == len(runs)
    for number, group in enumerate(groups):
        for one in group.runs:
            name = one.run.resolve().name if unique else one.name
            link = os.path.relpath(one.run.resolve() / REPORT, folder.resolve())
            cells = [
                (
                    f'<span style="color: {COLOURS[number % len(COLOURS)]}">&#9632;</span>&nbsp;<a'
                    f' href="{text(link)}">{text(name)}</a>'
                ),
                str(one.best.step),
                count(one.best.tokens),
                *([] if not probed else _retrieval_cells(one, summaries[one.run])),
                text(group.label),
            ]
            rows.append((cells, "first" if number and one is group.runs[0] else ""))
    return table(rows)


def _retrieval_cells(one: SweepResult, summary: RunSummary) -> list[str]:
    difference = one.differences.get(one.best.step)
    return [
        f"{one.best.mean('test', NDCG):.3f}" if one.wanted.retrieval else "",
        "" if difference is None else f"{difference:+.3f}",
        "" if summary.correlation is None else f"{summary.correlation.rho:+.2f}",
        "" if summary.lag is None else f"{summary.lag.steps:+d}",
    ]
