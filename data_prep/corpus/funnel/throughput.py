"""Throughput: how long each stage took, from the manifests of its units; files of their own, since they differ from run
to run."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from common.report.html import bar, number, page, table, text
from data_prep.corpus.stages.stage import Stage

CLOCKS = ("seconds", "cpu_seconds")


def timing(line: Sequence[Stage]) -> dict[str, Any]:
    """Units, MB of input, seconds by the timer and of CPU of each stage, all its units together; CPU seconds of the
    steps of the first."""
    by_stage: dict[str, Any] = {}
    for stage in line:
        sums = {key: round(sum(unit_manifest[key] for unit_manifest in stage.manifests), 3) for key in (*CLOCKS, "mb")}
        by_stage[stage.name] = {"units": len(stage.manifests), **sums}
    steps: Counter[str] = Counter()
    for unit_manifest in line[0].manifests:
        steps.update(unit_manifest["cpu_seconds_of"])
    by_stage[line[0].name]["cpu_seconds_of"] = {name: round(value, 3) for name, value in steps.most_common()}
    return by_stage


def render_timing(name: str, stages: dict[str, Any], size: int) -> str:
    """The page. ``size`` is the text that was read, in bytes of UTF-8."""
    whole = sum(took["cpu_seconds"] for took in stages.values()) or 1e-9
    slowest = max(stages, key=lambda stage: stages[stage]["cpu_seconds"])
    share = stages[slowest]["cpu_seconds"] / whole
    steps = next(iter(stages.values()))["cpu_seconds_of"]
    line = f"slowest is the stage <b>{text(slowest)}</b> with {100 * share:.0f} % of that"
    if steps:
        line += f"; of the steps of the first stage, <b>{text(max(steps, key=steps.get))}</b>"
    return page(
        f"Throughput of the corpus {name}",
        f"<p>{size / 1e6:,.1f} MB of text (UTF-8) took {whole:,.1f} CPU seconds, {_speed(size, whole)} MB/s a core;"
        f" {line}.</p>",
        "<h2>Stages</h2>",
        _table(
            [(stage, took["units"], took["seconds"], took["cpu_seconds"]) for stage, took in stages.items()],
            whole,
            size,
        ),
        "<h2>Steps of the first stage</h2>",
        _table([(step, None, None, seconds) for step, seconds in steps.items()], whole, size),
        "<p class=soft>Sums over all units. MB/s: the text that was read, over the CPU seconds of that stage or step"
        " alone.</p>",
    )


def _table(rows: list[tuple[str, int | None, float | None, float]], whole: float, size: int) -> str:
    cells = []
    for name, units, seconds, cpu in rows:
        timer = "–" if seconds is None else f"{seconds:,.2f}"
        first = [text(name), number(units), timer, f"{cpu:,.2f}", bar(cpu, whole), f"{100 * cpu / whole:.1f} %"]
        cells.append([*first, _speed(size, cpu)])
    return table(["", "units", "seconds", "CPU seconds", "", "share", "MB/s a core"], cells)


def _speed(size: int, seconds: float) -> str:
    return f"{size / 1e6 / max(seconds, 1e-9):,.2f}"
