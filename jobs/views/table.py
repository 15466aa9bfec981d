"""The table of runs, as wide as the terminal allows: what matters least goes first; below it one line of cause for each
failure."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from common.screen import screen
from jobs.views.rows import UNHAPPY, Overview, Row
from slurm.states import CANCELLED, QUEUED, STOPPED
from slurm.submission import FAILED, FINISHED, REQUEUED, RUNNING

STYLES = {
    RUNNING: "green",
    REQUEUED: "yellow",
    QUEUED: "cyan",
    FAILED: "bold red",
    CANCELLED: "magenta",
    STOPPED: "yellow",
    FINISHED: "dim",
}
GAP = 2
SHOWN = 10
"""Rows that are named for one cause."""


@dataclass(frozen=True)
class Column:
    """One column; the one with the lowest ``weight`` is left out first where the terminal is narrow."""

    title: str
    cell: Callable[[Row], str]
    weight: int
    right: bool = True


def _number(value: float | None, pattern: str) -> str:
    return "" if value is None else format(value, pattern)


def _step(row: Row) -> str:
    if row.done:
        return row.done
    step, total = row.progress.step, row.progress.total
    return "" if total is None else f"{'-' if step is None else f'{step:,}'} / {total:,}"


def _path(file: Path | None) -> str:
    """A path as short as it can be copied from here."""
    if file is None:
        return ""
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") else relative


def _time(row: Row) -> str:
    """What is left of a run that runs; when a waiting one is expected to start."""
    if row.seconds_left is not None:
        return clock(row.seconds_left)
    return f"from {begins(row.state.start)}" if row.state.start else ""


COLUMNS = [
    Column("name", lambda row: row.name, 100, False),
    Column("state", lambda row: row.state.name, 99, False),
    Column("job", lambda row: row.state.job_id, 92),
    Column("attempt", lambda row: str(row.state.attempt or ""), 91),
    Column("step", _step, 98),
    Column("loss", lambda row: _number(row.progress.loss, ".4f"), 96),
    Column("dev nDCG@10", lambda row: _number(row.progress.best, ".4f"), 95),
    Column("tokens/s", lambda row: _number(row.progress.tokens_per_second, ",.0f"), 94),
    Column("MFU", lambda row: _number(row.progress.mfu, ".1%"), 93),
    Column("ETA", _time, 97),
    Column("log", lambda row: _path(row.state.log), 90, False),
]


def render(shown: Overview, width: int) -> RenderableType:
    """The table and what is to be said of it, for a terminal of ``width`` columns."""
    parts: list[RenderableType] = (
        [_table(shown.rows, width)] if shown.rows else [Text("nothing has been run or submitted here")]
    )
    for rows in _by_cause(shown.rows):
        parts += [Text(), *_cause(rows)]
    waiting = sorted(
        {
            row.state.note
            for row in shown.rows
            if row.state.name in (QUEUED, REQUEUED) and row.state.note not in ("", "None")
        }
    )
    if waiting:
        parts += [Text(), Text(f"waiting for: {', '.join(waiting)}")]
    if shown.note:
        parts += [Text(), Text(f"note: {shown.note}", "yellow")]
    return Group(*parts, Text(), Text(shown.summary, "bold"))


def _table(rows: list[Row], width: int) -> Table:
    columns = fit({column: [column.cell(row) for row in rows] for column in COLUMNS}, width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis")
    for number, row in enumerate(rows):
        cells = [
            Text(texts[number], STYLES.get(row.state.name, "") if column.title == "state" else "")
            for column, texts in columns.items()
        ]
        table.add_row(*cells)
    return table


def fit(columns: dict[Column, list[str]], width: int) -> dict[Column, list[str]]:
    """The columns that have something to say and fit side by side into ``width``.

    Long names lose their beginning first, since the points of a grid differ at the end; then columns go. Name and state
    always stay."""
    kept = {column: texts for column, texts in columns.items() if any(texts)}
    name = next(iter(kept))
    kept[name] = [_end_of(text, max(24, width * 2 // 5)) for text in kept[name]]

    def size(column: Column) -> int:
        return max(len(text) for text in (column.title, *kept[column])) + GAP

    while sum(map(size, kept)) - GAP > width and len(kept) > 2:
        del kept[min(kept, key=lambda column: column.weight)]
    return kept


def _end_of(text: str, length: int) -> str:
    return text if len(text) <= length else f"...{text[3 - length :]}"


def _by_cause(rows: list[Row]) -> list[list[Row]]:
    """Rows that failed, were cancelled or stand still, those with the same cause together."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.state.name in UNHAPPY and row.state.note:
            groups.setdefault((row.state.name, row.state.note), []).append(row)
    return list(groups.values())


def _cause(rows: list[Row]) -> list[Text]:
    """The cause that ``rows`` have in common, and where each says more."""
    state = rows[0].state
    lines = [Text.assemble((state.name, STYLES[state.name]), f": {state.note}")]
    for row in rows[:SHOWN]:
        lines.append(Text.assemble(f"  {row.name}  ", (_path(row.state.log), "dim")))
    return [*lines, Text(f"  and {len(rows) - SHOWN} more")] if len(rows) > SHOWN else lines


def clock(seconds: float) -> str:
    """``4d 03h`` or ``3:20:05`` for a span of time."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours // 24}d {hours % 24:02}h" if hours >= 48 else f"{hours}:{minutes:02}:{rest:02}"


def begins(start: str) -> str:
    """When a waiting array task is expected to start, for people: the hour today, else the day."""
    day, _, hour = start.partition("T")
    return hour[:5] if day == time.strftime("%Y-%m-%d") else day


def tell(console: Console, shown: RenderableType) -> None:
    """Print for whoever reads: within the width of a terminal; elsewhere as plain lines, as long as they need to be."""
    if console.is_terminal:
        console.print(shown)
        return
    with console.capture() as captured:
        console.print(shown)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), flush=True)


def wide() -> Console:
    """A console for the terminal; for a file or a pipe one that breaks no line."""
    return screen(10_000)
