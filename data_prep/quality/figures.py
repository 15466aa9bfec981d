"""Figures of the report: a reliability diagram, bars."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.report.html import number, text
from common.report.svg import drawing

SIDE, LEFT, TOP, BOTTOM = 240, 34, 14, 30
ROW, NAME, WIDE = 18, 190, 460


def reliability(bins: Sequence[Mapping[str, Any]], label: str) -> str:
    """Draw a reliability diagram: what was said (across) against what came true (upwards), a dot for each bin as large
    as what it holds; on the line is right."""
    most = max((bin_["count"] for bin_ in bins), default=0) or 1

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + x * SIDE, TOP + (1 - y) * SIDE

    shapes = [
        _line(at(0, 0), at(1, 0), "soft"),
        _line(at(0, 0), at(0, 1), "soft"),
        _line(at(0, 0), at(1, 1), "limit", "5 3"),
    ]
    for tick in (0, 0.5, 1):
        across, up = at(tick, 0), at(0, tick)
        shapes.append(
            f'<text class="soft" x="{across[0]:.0f}" y="{across[1] + 14:.0f}" text-anchor="middle">{tick:g}</text>'
        )
        shapes.append(f'<text class="soft" x="{up[0] - 6:.0f}" y="{up[1] + 4:.0f}" text-anchor="end">{tick:g}</text>')
    for bin_ in bins:
        if bin_["count"]:
            x, y = at(bin_["said"], bin_["was"])
            size = 2 + 8 * (bin_["count"] / most) ** 0.5
            shapes.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="var(--kept)" fill-opacity=".75">'
                f"<title>{bin_['count']:,}: said {bin_['said']}, was {bin_['was']}</title></circle>"
            )
    foot = at(0.5, 0)
    shapes.append(
        f'<text class="soft" x="{foot[0]:.0f}" y="{foot[1] + 28:.0f}" text-anchor="middle">probability</text>'
    )
    return drawing(shapes, label, LEFT + SIDE + 14, SIDE + TOP + BOTTOM)


def bars(values: Sequence[tuple[str, float]], label: str) -> str:
    """A bar for each name, as long as its value."""
    most = max((value for _, value in values), default=0) or 1
    shapes = []
    for place, (name, value) in enumerate(values):
        y, size = place * ROW, max(1.0, WIDE * value / most)
        shapes.append(f'<text x="{NAME - 8}" y="{y + 13}" text-anchor="end">{text(name)}</text>')
        shapes.append(f'<rect x="{NAME}" y="{y + 3}" width="{size:.1f}" height="{ROW - 6}" fill="var(--kept)"/>')
        shapes.append(f'<text class="soft" x="{NAME + size + 6:.1f}" y="{y + 13}">{number(value)}</text>')
    return drawing(shapes, label, NAME + WIDE + 60, ROW * len(values))


def _line(start: tuple[float, float], end: tuple[float, float], colour: str, dashes: str = "") -> str:
    ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line {ends} stroke="var(--{colour})" stroke-dasharray="{dashes}"/>'
