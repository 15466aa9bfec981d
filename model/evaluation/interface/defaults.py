"""How a measure is shown that says nothing else: a curve of its scores, a row a checkpoint."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from common.report.html import figure, table, text
from common.report.palette import GRID, series
from common.report.plot import to_svg
from model.evaluation.interface.result import Score, SweepResult
from model.evaluation.interface.store import Result

Rows = Iterable[tuple[list[str], bool]]
"""Headings first; whether a row is that of the best checkpoint."""


def count(tokens: int) -> str:
    """Tokens in three digits: 120k, 2.00M, 1.72T."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            value = tokens / size
            return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}{unit}"
    return str(tokens)


def rows(
    results: Sequence[Result], cells: Callable[[Any], Mapping[str, str]], best: int
) -> Iterator[tuple[list[str], bool]]:
    """Headings, then step, tokens and ``cells`` of every result, and whether it is that of step ``best``."""
    shown = [(result, cells(result)) for result in results]
    headings = list(dict.fromkeys(heading for _, own in shown for heading in own))
    yield ["step", "tokens", *headings], False
    for result, own in shown:
        values = [own.get(heading, "") for heading in headings]
        yield [str(result.step), count(result.tokens), *values], result.step == best


def terminal_table(title: str, lines: Rows) -> Table:
    """``lines`` on the terminal."""
    headings, *body = lines
    shown = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in headings[0]:
        shown.add_column(Text(name), justify="left" if name == "step" else "right")
    for cells, best in body:
        shown.add_row(*map(Text, cells), style="bold green" if best else "")
    return shown


def html_table(lines: Rows) -> str:
    """``lines`` on a page."""
    headings, *body = lines
    cells = [[text(cell) for cell in row] for row, _ in body]
    return table(headings[0], cells, names=["best" if best else "" for _, best in body], compact=True)


def best_table(title: str, runs: Iterable[tuple[SweepResult, Any]]) -> str:
    """Every run with the cells of its best checkpoint, under a heading; empty where none has any. A run whose headings
    differ from those of the runs before begins a line of headings."""
    headings: list[str] = []
    lines: list[list[str]] = []
    for run, measure in runs:
        head, *body = measure.rows(run)
        best = [[run.name, *cells] for cells, chosen in body if chosen]
        if ["run", *head[0]] != headings:
            again = ["run", *head[0]]
            lines += [again] if headings else []
            headings = headings or again
        lines += best
    if not lines:
        return ""
    return f"<h2>{text(title)}</h2>{table(headings, ([text(cell) for cell in line] for line in lines), compact=True)}"


def curve(
    name: str,
    title: str,
    results: Sequence[Result],
    scores: Callable[[Any], Mapping[str, Score]],
    sweep: SweepResult,
) -> str:
    """The scores by step, a line each."""
    values: dict[str, list[tuple[int, float]]] = {}
    for result in results:
        for metric, score in scores(result).items():
            values.setdefault(metric, []).append((result.step, score.value))
    if not values:
        return ""

    def draw(picture: Any) -> None:
        axes = picture.subplots()
        for place, (metric, points) in enumerate(values.items()):
            axes.plot(*zip(*points, strict=True), color=series(place), marker="o", markersize=3.5, label=metric)
        axes.axvline(sweep.best.step, color=series(0), linewidth=1, alpha=0.5, label=f"best by {sweep.metric}")
        axes.set(xlabel="optimizer step", ylabel=title)
        axes.grid(axis="y", color=GRID)
        axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.2))

    label = f"{title} over the steps of the run"
    return figure(to_svg(name, label, 3.0 + 0.18 * len(values), draw), f"{text(title)} by step.")
