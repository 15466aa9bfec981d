"""How long each stage took, from the manifests of its units; a page of its own, since it differs from run to run."""

from collections.abc import Sequence
from typing import Any

from data_prep.corpus.stage import Stage
from data_prep.pages.html import bar, number, page, table, text


def speed(line: Sequence[Stage]) -> list[dict[str, Any]]:
    """Units and seconds of each stage; seconds are those of its units together, so those of one core."""
    found = []
    for stage in line:
        seconds = [one["seconds"] for one in stage.manifests]
        found.append({"stage": stage.name, "units": len(seconds), "seconds": round(sum(seconds), 3), "longest": round(max(seconds), 3)})
    return found


def render_speed(name: str, stages: list[dict[str, Any]], size: int) -> str:
    """The page. ``size`` is the text that was read, in bytes of UTF-8."""
    whole = sum(one["seconds"] for one in stages) or 1e-9
    slowest = max(stages, key=lambda one: one["seconds"])
    rows = []
    for one in stages:
        cells = [
            text(one["stage"]),
            number(one["units"]),
            f"{one['seconds']:,.2f}",
            bar(one["seconds"], whole),
            f"{100 * one['seconds'] / whole:.1f} %",
        ]
        rows.append([*cells, f"{one['longest']:,.2f}", f"{size / 1e6 / max(one['seconds'], 1e-9):,.2f}"])
    rows.append(["all", "", f"{whole:,.2f}", "", "100.0 %", "", f"{size / 1e6 / whole:,.2f}"])
    return page(
        f"Throughput of the corpus {name}",
        f"<p>{size / 1e6:,.1f} MB of text (UTF-8) took {whole:,.1f} seconds of one core, {size / 1e6 / whole:,.2f} MB/s a core; "
        f"the slowest stage is <b>{text(slowest['stage'])}</b> with {100 * slowest['seconds'] / whole:.0f} % of the time.</p>",
        table(["stage", "units", "seconds", "", "share", "longest unit", "MB/s a core"], rows, last_is_sum=True),
        "<p class=soft>Seconds by the clock, summed over units: with more elements than cores they count waiting too.</p>",
    )
