"""Parts of reports on decoders: forgetting against gain, perplexity of every text, tasks."""

from collections.abc import Iterable

from common.files import read_json
from model.evaluation.figure_texts import draw_forgetting, draw_perplexity
from model.evaluation.forgetting import Change
from model.evaluation.page import figure, table, text
from model.evaluation.summary import RunSummary
from model.evaluation.sweep import SweepResult
from model.evaluation.table_texts import Cells, perplexity_rows, task_rows

FORGETTING = """What was forgotten against what was gained: a point a save, joined in the order of training from the first save at (0, 0);
changes of the perplexity per character in percent, of several texts the mean in the logarithm. Down is better on the domain, right is
worse in general. Crosses: 95% intervals of the paired differences over documents."""
PERPLEXITY = """Bits per byte by step, lower is better. Bands: 95% intervals over documents, which differ among themselves more than saves
do; whether two saves differ is told by the change."""
HOW = """Perplexity is exp of the negative log-likelihood per predicted token, and per character of the predicted text, which tokenizers do
not change; bits per byte is the same sum in bits. Brackets: 95% intervals, documents drawn with replacement; the change is against the
first save, per character, on the same documents."""


def decoder_sections(found: SweepResult, summary: RunSummary) -> str:
    """Tables of perplexity and of tasks; empty where neither was measured."""
    return _perplexity(found, summary) + _tasks(found)


def decoder_figures(found: SweepResult, summary: RunSummary) -> str:
    """Forgetting against gain, and loss and perplexity by step; empty where perplexity was not measured."""
    drawn = draw_forgetting([(found.name, 0, summary.forgetting)])
    return figure(drawn, FORGETTING) + figure(draw_perplexity(found, summary), PERPLEXITY)


def forgetting_of_runs(runs: list[tuple[str, int, list[Change]]]) -> str:
    """The picture of several runs, each a label and the number of its colour."""
    return figure(draw_forgetting(runs), FORGETTING)


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
    return f'<h2>Perplexity</h2>{"".join(parts)}<p class="small">{text(HOW)} Pieces of {context} tokens.</p>'


def _tasks(found: SweepResult) -> str:
    if not found.tasks:
        return ""
    last = found.tasks[-1]
    version = read_json(last.file)["lm_eval"]
    asked = "; ".join(f"{task}: version {last.versions.get(task, '-')}, {number} questions" for task, number in last.questions.items())
    return f"""<h2>Tasks</h2>{_table(task_rows(found))}
<p class="small">lm-eval {text(version)}; {text(asked)}. ± is one standard error over questions.</p>"""


def _table(rows: Iterable[tuple[Cells, bool]]) -> str:
    return table(([text(cell) for cell in cells], "best" if best else "") for cells, best in rows)
