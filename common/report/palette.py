"""Colours of every report: series of plots in light and dark, and the variables of the style sheet made of them."""

SERIES = ("#0b6e99", "#c4570a", "#5b7f2b", "#7a4fa3", "#b3261e", "#8a6d00", "#3d4f9f", "#6b6b6b")
"""Of lines and parts, on a light ground: dark enough on white, told apart without red against green."""
DARK_SERIES = ("#5aa2c8", "#e08a4a", "#9abf62", "#b79be0", "#ff7a6c", "#d1b24a", "#8fa0e8", "#a8a8a8")
"""The same on a dark ground."""
GRID = "#eeeeee"
"""Of lines behind a plot."""
TRAINING_LOSS, VALIDATION_LOSS = "#9a9a9a", "#222222"
BASELINE, WORDS = "#b3261e", "#3d6b35"
"""Of what a net is compared with: itself before the training, and a search by words."""
NOTE = "#444444"
"""Of marks in a legend that belong to no series."""

_LIGHT = {
    "ink": "#1c2126",
    "soft": "#5b6570",
    "page": "#fff",
    "card": "#f5f7f9",
    "line": "#d7dde3",
    "limit": "#c2341d",
    "best": "#e6f2e6",
}
_DARK = {
    "ink": "#e4e8ec",
    "soft": "#9aa5b1",
    "page": "#14181c",
    "card": "#1e242a",
    "line": "#39424c",
    "limit": "#ff7a5c",
    "best": "#1f3a24",
}


def series(place: int) -> str:
    """Colour of the ``place``-th of several series in a plot."""
    return SERIES[place % len(SERIES)]


def series_name(place: int) -> str:
    """Variable of the style sheet that holds `series`, in the shade of the page."""
    return f"c{place % len(SERIES)}"


def variables(dark: bool) -> str:
    """Declarations of the style sheet: `--ink: ...; --c0: ...`; what stays is `kept`, what goes is `dropped`."""
    shades = DARK_SERIES if dark else SERIES
    named = (_DARK if dark else _LIGHT) | {"kept": shades[0], "dropped": shades[1]}
    named |= {series_name(place): shade for place, shade in enumerate(shades)}
    return " ".join(f"--{name}: {shade};" for name, shade in named.items())
