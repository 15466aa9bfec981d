"""The parts that pages are put together from. Everything that came from data goes through `text`."""

import html
import re
from collections.abc import Iterable, Sequence

COLOURS = 8
STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5b6570; --page: #fff; --card: #f5f7f9; --line: #d7dde3; --limit: #c2341d;
  --kept: #3b7ea1; --dropped: #d98a3d; --c0: #3b7ea1; --c1: #d98a3d; --c2: #4c9a6a; --c3: #b3588f; --c4: #8a7bc8; --c5: #a8963a;
  --c6: #57a6b5; --c7: #c0625a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa5b1; --page: #14181c; --card: #1e242a; --line: #39424c;
  --limit: #ff7a5c; --kept: #5aa2c8; --dropped: #e0a05c; --c0: #5aa2c8; --c1: #e0a05c; --c2: #6cba89; --c3: #cf7fb0; --c4: #a99be0;
  --c5: #c4b35c; --c6: #78c2d0; --c7: #d9827a; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 68rem; margin: 0 auto; padding: 1rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: .2rem 0 .6rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; } p { margin: .4rem 0; max-width: 46rem; }
.soft, figcaption { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; } .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: .8rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: .8rem 0; }
.tile, .card, details { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.2rem; font-variant-numeric: tabular-nums; } .tile span { color: var(--soft); font-size: .85rem; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; font-size: .85rem; margin: .3rem 0; }
th, td { text-align: right; padding: .25rem .55rem; vertical-align: top; white-space: nowrap; }
th { border-bottom: 1px solid var(--soft); color: var(--soft); font-weight: 600; vertical-align: bottom; }
td { border-bottom: 1px solid var(--line); } tr.sum td { font-weight: 700; }
th.left, td.left { text-align: left; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--page); }
details th:first-child, details td:first-child { background: var(--card); }
td:has(.bar) { text-align: left; } td .wrap { display: inline-block; white-space: normal; max-width: 12rem; }
@media (max-width: 40rem) { th, td { padding: .25rem .35rem; } th { white-space: normal; overflow-wrap: normal; }
  th:first-child, td:first-child { white-space: normal; min-width: 8rem; } td:first-child { overflow-wrap: anywhere; } }
td .bar { display: inline-block; height: .7rem; border-radius: .15rem; background: var(--dropped); vertical-align: middle; }
figure { margin: 0; }
svg { width: 100%; height: auto; display: block; } svg.funnel { max-width: 46rem; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
svg .soft { fill: var(--soft); font-size: 11px; }
details { margin: .5rem 0; } summary span { font-weight: 400; color: var(--soft); }
summary { cursor: pointer; font-weight: 600; overflow-wrap: anywhere; }
blockquote { margin: .5rem 0; padding: .4rem .7rem; border-left: 3px solid var(--line); white-space: pre-wrap; overflow-wrap: anywhere;
  font-size: .85rem; max-height: 15rem; overflow-y: auto; }
blockquote cite { display: block; color: var(--soft); font-style: normal; white-space: normal; }
.key { display: inline-block; width: .75rem; height: .75rem; border-radius: .2rem; margin-right: .35rem; vertical-align: -.05rem; }
.stack { display: flex; height: 1.5rem; border-radius: .3rem; overflow: hidden; margin: .3rem 0; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .85rem; }
"""


def page(title: str, *parts: str) -> str:
    """The whole file."""
    body = "\n".join(parts)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title><style>{STYLE}</style></head><body>
<h1>{text(title)}</h1>
{body}
</body></html>
"""


def text(value: object) -> str:
    """``value`` as HTML; characters that a page may not hold become U+FFFD."""
    safe = "".join(
        sign if sign in "\n\t" or (sign >= " " and not "\x7f" <= sign <= "\x9f") else "�" for sign in str(value)
    )
    return html.escape(safe.encode("utf-8", "replace").decode())


def breakable(value: object, after: str) -> str:
    """`text` that may be broken into lines after any of the signs ``after``, and is broken elsewhere only where these
    are not enough."""
    return re.sub(f"([{re.escape(after)}])", r"\1<wbr>", text(value))


def wrapped(value: object) -> str:
    """`text` of several words for a cell of a table, in lines."""
    return f'<span class="wrap">{text(value)}</span>'


def number(value: float | None) -> str:
    """A count with thousands apart, a fraction with four digits; a dash for what was not counted."""
    if value is None:
        return "–"
    if isinstance(value, int) or abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.4g}"


def percent(part: float, whole: float) -> str:
    """Share of ``whole``."""
    return f"{100 * part / whole:.2f} %" if whole else "–"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1, last_is_sum: bool = False) -> str:
    """A table that scrolls by itself where it is too wide. Cells are HTML; the first ``left`` columns are words, the
    others figures."""
    rows = list(rows)

    def line(tag: str, cells: Sequence[str], names: str = "") -> str:
        inner = "".join(
            f"<{tag}{' class=left' if place < left else ''}>{cell}</{tag}>" for place, cell in enumerate(cells)
        )
        return f"<tr{names}>{inner}</tr>"

    body = "".join(
        line("td", row, " class=sum" if last_is_sum and place == len(rows) - 1 else "")
        for place, row in enumerate(rows)
    )
    return f'<div class="wide"><table>{line("th", [text(one) for one in headings])}{body}</table></div>'


def tiles(facts: Iterable[tuple[str, str]]) -> str:
    """Large figures with what they are."""
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><b>{breakable(value, ",")}</b><span>{text(name)}</span></div>' for name, value in facts
        )
        + "</div>"
    )


def bar(part: float, whole: float, colour: str = "dropped") -> str:
    """A small bar for a cell of a table, as long as the share of ``whole``."""
    return (
        f'<span class="bar" style="width:{8 * part / whole if whole else 0:.2f}rem;background:var(--{colour})"></span>'
    )


def key(colour: str, name: str) -> str:
    """A name with its colour."""
    return f'<span><span class="key" style="background:var(--{colour})"></span>{text(name)}</span>'


def stack(parts: Iterable[tuple[str, float]]) -> str:
    """A bar of coloured ``parts`` (colour, size)."""
    parts = list(parts)
    whole = sum(size for _, size in parts) or 1
    inner = "".join(
        f'<div style="width:{100 * size / whole:.3f}%;background:var(--{colour})"></div>' for colour, size in parts
    )
    return f'<div class="stack">{inner}</div>'


def colour(place: int) -> str:
    """Colour of the ``place``-th of several series."""
    return f"c{place % COLOURS}"
