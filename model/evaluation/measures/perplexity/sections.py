"""Parts of reports on decoders: forgetting against gain, perplexity of every text, tasks."""

from collections.abc import Iterable

from common.files import read_json
from common.report.page import figure, table, text
from model.evaluation.measures.perplexity.figures import draw_forgetting, draw_perplexity
from model.evaluation.measures.perplexity.forgetting import Change
from model.evaluation.measures.perplexity.table import Cells, perplexity_rows, task_rows
from model.evaluation.measures.retrieval import captions
from model.evaluation.measures.retrieval.summary import RunSummary
from model.evaluation.sweep import SweepResult


def decoder_sections(found: SweepResult, summary: RunSummary) -> str:
    """Tables of perplexity and of tasks; empty where neither was measured."""
    return _perplexity(found, summary) + _tasks(found)


def decoder_figures(found: SweepResult, summary: RunSummary) -> str:
    """Forgetting against gain, and loss and perplexity by step; empty where perplexity was not measured."""
    runs = [(found.name, 0, summary.forgetting)]
    return forgetting_of_runs(runs, [found]) + figure(
        draw_perplexity(found, summary), captions.of_perplexity(summary.perplexity)
    )


def forgetting_of_runs(runs: list[tuple[str, int, list[Change]]], found: list[SweepResult]) -> str:
    """The picture of several runs, each a label and the number of its colour."""
    roles = next((list(one.perplexity[0].roles.values()) for one in found if one.perplexity), [])
    return figure(draw_forgetting(runs), captions.of_forgetting([change for *_, own in runs for change in own], roles))


def _perplexity(found: SweepResult, summary: RunSummary) -> str:
    if not found.perplexity:
        return ""
    last, parts = found.perplexity[-1], []
    for name, role in last.roles.items():
        totals = last.totals[name]
        counts = ", ".join(f"{totals[unit]:,} {unit}s" for unit in ("token", "character", "byte"))
        parts.append(f"<h3>{text(name)} ({text(role)})</h3>{_table(perplexity_rows(found, summary, name))}")
        parts.append(f'<p class="small">{totals["documents"]:,} documents: {counts} predicted.</p>')
    context = read_json(last.file)["context"]
    how = f"{captions.of_perplexity_tables(summary.perplexity)} Pieces of {context} tokens."
    return f'<h2>Perplexity</h2>{"".join(parts)}<p class="small">{text(how)}</p>'


def _tasks(found: SweepResult) -> str:
    if not found.tasks:
        return ""
    last = found.tasks[-1]
    version = read_json(last.file)["lm_eval"]
    asked = "; ".join(
        f"{task}: version {last.versions.get(task, '-')}, {number} questions" for task, number in last.questions.items()
    )
    return f"""<h2>Tasks</h2>{_table(task_rows(found))}
<p class="small">lm-eval {text(version)}; {text(asked)}. ± is one standard error over questions.</p>"""


def _table(rows: Iterable[tuple[Cells, bool]]) -> str:
    return table(([text(cell) for cell in cells], "best" if best else "") for cells, best in rows)
