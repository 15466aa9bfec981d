"""The parts that reports are put together from: one HTML file without network, to be read on a phone as well."""

import html
import re
from collections.abc import Iterable

from model.evaluation.report.statements import Statement

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; max-width: 46rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; margin: .2rem 0; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; }
h3 { font-size: .95rem; margin: 1rem 0 .2rem; overflow-wrap: anywhere; }
figure { margin: 1rem 0; } figure svg { width: 100%; max-width: 28rem; height: auto; display: block; margin: 0 auto; }
figcaption, .small { font-size: .85rem; color: #444; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem; }
th, td { text-align: right; padding: .25rem .5rem; vertical-align: bottom; } th { border-bottom: 1px solid #888; max-width: 4.5rem; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; max-width: 8rem; }
td { white-space: nowrap; } td:first-child { white-space: normal; overflow-wrap: break-word; }
tr.best td, tr.best td:first-child { font-weight: 700; background: #e6f2e6; } tr.baseline td { color: #555; }
tr.first td { border-top: 1px solid #888; }
@media (max-width: 40rem) { td { white-space: normal; } }
dl { font-size: .9rem; margin: 0; } dd { margin: 0; color: #444; }
dt { font-weight: 600; margin-top: .7rem; display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; }
dt span { font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font-size: .85em; overflow-wrap: anywhere; } pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; }
"""


def page(title: str, body: str) -> str:
    """The whole file."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title><style>{STYLE}</style></head><body>
<h1>{text(title)}</h1>
{body}
</body></html>
"""


def figure(svg: str | None, caption: str) -> str:
    """A picture with what it shows; nothing where there is no picture."""
    return f"<figure>{svg}\n<figcaption>{text(caption)}</figcaption></figure>" if svg else ""


def table(rows: Iterable[tuple[Iterable[str], str]]) -> str:
    """A table that scrolls by itself where it is too wide; ``rows`` are cells, as HTML, and a class, headings first."""
    lines = []
    for cells, names in rows:
        tag = "td" if lines else "th"
        lines.append(f'<tr class="{names}">' + "".join(f"<{tag}>{_unbroken(cell)}</{tag}>" for cell in cells) + "</tr>")
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _unbroken(cell: str) -> str:
    """``cell`` where a narrow screen breaks no line within an interval, only before it."""
    return re.sub(r"(\[[^\[\]<>, ]+,) ([^\[\]<>, ]+\])", r"\1&nbsp;\2", cell)


def statistics(found: list[Statement]) -> str:
    """Name, value and sentence of each statistic."""
    parts = (f"<dt>{text(one.name)} <span>{text(one.value)}</span></dt><dd>{text(one.sentence)}</dd>" for one in found)
    return f"<h2>Statistics</h2>\n<dl>{''.join(parts)}</dl>" if found else ""


def text(value: str) -> str:
    """``value`` as HTML."""
    return html.escape(value)
