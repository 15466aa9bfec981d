"""HTML of every report: one file without network or script, to be read on a phone as well, in a light and a dark shade.

Everything that came from data goes through `text`; parameters that are already HTML say so.
"""

import html
import re
from collections.abc import Iterable, Sequence

from common.report.style import STYLE


def page(title: str, *parts: str, narrow: bool = False) -> str:
    """A whole file of ``parts``, which are HTML; ``narrow`` for pages of prose and plots, without wide tables."""
    body = "\n".join(parts)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title><style>{STYLE}</style></head><body{' class="narrow"' if narrow else ""}>
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
    """`text` that may be broken into lines after any of the signs ``after``, elsewhere only where these do not do."""
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


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    left: int = 1,
    names: Sequence[str] = (),
    last_is_sum: bool = False,
    compact: bool = False,
) -> str:
    """A table that scrolls by itself where it is too wide. Cells are HTML; the first ``left`` columns are words, the
    others figures. ``names``: a class for each row (best, baseline, first), where rows have them. ``compact``: headings
    are broken into lines, for many columns of short figures."""
    rows = list(rows)
    classes = list(names) or ["sum" if last_is_sum and place == len(rows) - 1 else "" for place in range(len(rows))]

    def line(tag: str, cells: Sequence[str], name: str = "") -> str:
        inner = "".join(
            f"<{tag}{' class=left' if place < left else ''}>{_unbroken(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f'<tr class="{name}">{inner}</tr>' if name else f"<tr>{inner}</tr>"

    body = "".join(line("td", row, name) for row, name in zip(rows, classes, strict=True))
    head = line("th", [text(heading) for heading in headings])
    return f'<div class="wide"><table{" class=compact" if compact else ""}>{head}{body}</table></div>'


def _unbroken(cell: str) -> str:
    """``cell`` where a narrow screen breaks no line within an interval [low, high], only before it."""
    return re.sub(r"(\[[^\[\]<>, ]+,) ([^\[\]<>, ]+\])", r"\1&nbsp;\2", cell)


def figure(picture: str | None, caption: str, name: str = "plot") -> str:
    """A picture with its ``caption``, which is HTML; nothing where there is no picture. ``name``: plot, for those of
    `common.report.plot`, or card, for small ones that stand side by side."""
    if not picture:
        return ""
    named = f' class="{name}"' if name else ""
    return f"<figure{named}>{picture}<figcaption>{caption}</figcaption></figure>"


def facts(rows: Iterable[tuple[str, str, str]]) -> str:
    """A list of name, value and a sentence that explains them."""
    parts = (f"<dt>{text(name)} <span>{text(value)}</span></dt><dd>{text(note)}</dd>" for name, value, note in rows)
    return f"<dl>{''.join(parts)}</dl>"


def tiles(values: Iterable[tuple[str, str]]) -> str:
    """Large figures with what they are: name, value."""
    inner = "".join(
        f'<div class="tile"><b>{breakable(value, ",")}</b><span>{text(name)}</span></div>' for name, value in values
    )
    return f'<div class="tiles">{inner}</div>'


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
