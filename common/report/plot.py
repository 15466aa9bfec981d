"""One SVG element out of Matplotlib, that scales with the page and stands beside others in one file."""

import html
import io
import re
from collections.abc import Callable
from typing import Any

STYLE = {
    "font.size": 9, "font.family": "sans-serif", "svg.fonttype": "none", "svg.hashsalt": "terzi",
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
}  # fmt: skip
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
"""Without them there is no RDF block, whose addresses would look like links."""


def to_svg(name: str, label: str, height: float, draw: Callable[[Any], None]) -> str:
    """The SVG element that ``draw(figure)`` makes, as wide as a phone and ``height`` inches high.

    ``label`` is read out by screen readers. ``name`` is put before every id, since the ids of a page are shared by its
    pictures."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.8, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=NO_METADATA)
    return _inline(file.getvalue(), name, label)


def _inline(svg: str, name: str, label: str) -> str:
    """The bare element, with its size left to the page."""
    element = svg[svg.index("<svg") :]
    head, body = element[: element.index(">")], element[element.index(">") :]
    head = re.sub(r' (width|height)="[^"]*"', "", head).replace(
        "<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1
    )
    return head + re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", body)
