"""Pictures drawn by hand: a histogram with its limit, a stepped funnel. Colours are variables of the style sheet."""

from collections.abc import Iterable, Sequence

from common.report.html import number, text

WIDTH, HEIGHT = 360, 150
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 18, 22


def drawing(shapes: Iterable[str], label: str, width: float, height: float) -> str:
    """The SVG element of ``shapes``, scaled to the page. ``label`` is read out by screen readers."""
    box = f"0 0 {width} {height}"
    return f'<svg viewBox="{box}" role="img" aria-label="{text(label)}">{"".join(shapes)}</svg>'


def histogram(
    counts: Sequence[int], low: str, high: str, label: str, limit: tuple[str, float] | None = None, colour: str = "kept"
) -> str:
    """Bars of ``counts`` from ``low`` to ``high`` (names of the ends); heights are square roots, so that rare values
    are seen too. ``limit``: the sign (< or >) and the place, from 0 to 1, of a threshold; bars beyond it are those of
    rejected documents."""
    wide, tall = (WIDTH - LEFT - RIGHT) / max(1, len(counts)), HEIGHT - TOP - BOTTOM
    most = max(counts, default=0) or 1
    floor = HEIGHT - BOTTOM
    shapes = []
    for place, count in enumerate(counts):
        if count:
            size = max(1.0, tall * (count / most) ** 0.5)
            x, middle = LEFT + place * wide, (place + 0.5) / len(counts)
            out = limit and (middle < limit[1] if limit[0] == "<" else middle > limit[1])
            shapes.append(
                f'<rect x="{x:.1f}" y="{floor - size:.1f}" width="{max(0.8, wide - 0.8):.1f}" height="{size:.1f}" '
                f'fill="var(--{"dropped" if out else colour})">'
                f"<title>{count:,}</title></rect>"
            )
    shapes.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}" stroke="var(--soft)"/>')
    if limit is not None:
        x = LEFT + min(1.0, max(0.0, limit[1])) * (WIDTH - LEFT - RIGHT)
        shapes.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{floor}" stroke="var(--limit)" stroke-width="2"'
            ' stroke-dasharray="5 3"/>'
        )
    shapes.append(f'<text class="soft" x="{LEFT}" y="{HEIGHT - 7}">{text(low)}</text>')
    shapes.append(f'<text class="soft" x="{WIDTH - RIGHT}" y="{HEIGHT - 7}" text-anchor="end">{text(high)}</text>')
    shapes.append(f'<text class="soft" x="{LEFT}" y="11">most in a bar: {number(most)}</text>')
    return drawing(shapes, label, WIDTH, HEIGHT)


ROW, BAND, TEXT = 44, 16, 14


def funnel(steps: Sequence[tuple[str, int, int]], label: str) -> str:
    """A stepped funnel: of each step a line with its name and figures, and below it a band as wide as what comes in,
    the part that is dropped apart. ``steps``: name, in, out. It is as wide as the page: widths are shares, so that
    letters keep their size on a phone."""
    whole = max((into for _, into, _ in steps), default=0) or 1
    shapes = []
    for place, (name, into, out) in enumerate(steps):
        y, kept, came = place * ROW, 100 * out / whole, 100 * into / whole
        band = y + TEXT + 4
        shapes.append(f'<text x="0" y="{y + TEXT}">{text(name)}</text>')
        lost = (
            f"−{into - out:,} ({100 * (into - out) / into:.1f} %)"
            if into > out
            else ("" if into == out else f"+{out - into:,}")
        )
        figures = f'<tspan class="soft">{lost}</tspan> <tspan>{out:,}</tspan>' if lost else f"<tspan>{out:,}</tspan>"
        shapes.append(f'<text x="100%" y="{y + TEXT}" text-anchor="end">{figures}</text>')
        shapes.append(f'<rect x="0" y="{band}" width="{kept:.3f}%" height="{BAND}" fill="var(--kept)"/>')
        if came > kept:
            wide = max(came - kept, 0.3)  # one document in a million is seen, too
            x = min(kept, 100 - wide)
            shapes.append(f'<rect x="{x:.3f}%" y="{band}" width="{wide:.3f}%" height="{BAND}" fill="var(--dropped)"/>')
    return (
        f'<svg class="funnel" style="height:{ROW * len(steps)}px" role="img"'
        f' aria-label="{text(label)}">{"".join(shapes)}</svg>'
    )
