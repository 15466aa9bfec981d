"""Perplexity and tasks over the checkpoints of a run, as tables on the terminal, and in a sentence."""

import math
from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from model.evaluation.measures.perplexity.forgetting import DOMAIN, GENERAL, TextPerplexity
from model.evaluation.measures.retrieval.summary import RunSummary
from model.evaluation.measures.retrieval.table import count
from model.evaluation.measures.tasks.lm_eval import Score
from model.evaluation.statistics.bootstrap import Interval
from model.evaluation.sweep import SweepResult

PLACES = {"token": ".2f", "character": ".3f", "byte": ".3f"}
"""Decimals by unit."""
HEADS = {"token": "perplexity per token", "character": "per character", "byte": "bits per byte"}
Cells = list[str]


def perplexity_rows(found: SweepResult, summary: RunSummary, text: str) -> Iterator[tuple[Cells, bool]]:
    """Headings, then step, tokens and `perplexity_cells` of every checkpoint; and whether it is the best one."""
    yield ["step", "tokens", *perplexity_heads()], False
    for one in summary.perplexity:
        if one.text == text:
            yield [str(one.step), count(one.tokens), *perplexity_cells(one)], one.step == found.best.step


def perplexity_heads() -> Cells:
    """Headings of `perplexity_cells`."""
    return ["loss", *HEADS.values(), "change, %"]


def perplexity_cells(one: TextPerplexity) -> Cells:
    """The loss on this text (nats per token), the three figures, and the change of the second against the first
    checkpoint."""
    changed = "" if one.change is None else _shown(one.change, "+.1f")
    return [f"{math.log(one.values['token']):.3f}", *(_interval(one, unit) for unit in HEADS), changed]


def task_rows(found: SweepResult) -> Iterator[tuple[Cells, bool]]:
    """Headings, then step, tokens and every metric with its standard error, of every checkpoint; and whether it is the best
    one."""
    names = list(
        dict.fromkeys((task, metric) for one in found.tasks for task, scores in one.scores.items() for metric in scores)
    )
    yield ["step", "tokens", *(f"{task}, {metric}" for task, metric in names)], False
    for one in found.tasks:
        cells = [_score(one.scores.get(task, {}).get(metric)) for task, metric in names]
        yield [str(one.step), count(one.tokens), *cells], one.step == found.best.step


def tables(found: SweepResult, summary: RunSummary) -> Iterator[Table]:
    """One a text, and one of the tasks."""
    for text, role in (found.perplexity[0].roles if found.perplexity else {}).items():
        yield _table(f"{text} ({role}); best checkpoint by {found.metric}", perplexity_rows(found, summary, text))
    if found.tasks:
        yield _table(f"Tasks of lm-eval, with standard errors; best checkpoint by {found.metric}", task_rows(found))


def text_verdict(found: SweepResult, summary: RunSummary) -> str:
    """One sentence: the best checkpoint, and the change of perplexity there; empty where neither perplexity nor tasks were
    measured."""
    if not (found.wanted.perplexity or found.wanted.tasks):
        return ""
    parts = [
        f"{text} {_shown(one.change, '+.1f')} %"
        for role in (DOMAIN, GENERAL)
        for one in summary.perplexity
        if (text := one.text) and one.role == role and one.step == found.best.step and one.change
    ]
    first = f" against step {found.perplexity[0].step}" if parts else ""
    said = f"; perplexity per character{first}: {', '.join(parts)}" if parts else ""
    scores = [f"{task} {metric} {_score(score)}" for task, metric, score in _at(found, found.best.step)]
    tasks = f"; {', '.join(scores)}" if scores else ""
    return f"Best checkpoint by {found.metric}: step {found.best.step}{said}{tasks}."


def _at(found: SweepResult, step: int) -> Iterator[tuple[str, str, Score]]:
    for one in found.tasks:
        if one.step == step:
            yield from (
                (task, metric, score) for task, scores in one.scores.items() for metric, score in scores.items()
            )


def _table(title: str, rows: Iterator[tuple[Cells, bool]]) -> Table:
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in next(rows)[0]:
        table.add_column(Text(name), justify="left" if name == "step" else "right")
    for cells, best in rows:
        table.add_row(*map(Text, cells), style="bold green" if best else "")
    return table


def _interval(one: TextPerplexity, unit: str) -> str:
    found = one.intervals[unit]
    return f"{one.values[unit]:{PLACES[unit]}}" if found is None else _shown(found, PLACES[unit])


def _shown(found: Interval, spec: str) -> str:
    """Without bounds where there was no bootstrap."""
    return f"{found.mean:{spec}}" if found.low == found.high else f"{found:{spec}}"


def _score(score: Score | None) -> str:
    return "" if score is None else f"{score.value:.3f}" + ("" if score.stderr is None else f" ± {score.stderr:.3f}")
