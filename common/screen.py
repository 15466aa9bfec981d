"""Screen output for people: names, paths and texts of others can neither steer a terminal, nor pass for markup, nor
show a password."""

import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

NO_TERMINAL = 140
"""Columns of a table in a log or a pipe."""
_STEERING = [
    *range(9),
    *range(11, 32),
    *range(127, 160),
    0x061C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
]
_VISIBLE = dict.fromkeys(_STEERING, "\ufffd")
"""Control characters but tab and newline, and those that turn the direction of writing."""
_USER = re.compile(r"(?<=://)(?!git@)[^\s/@?#]{1,500}@")
_KEY = re.compile(
    r"([?&](?:[\w.-]{0,40}(?:token|key|secret|password|passwd|credential|signature)|sig|auth|pwd)=)(?!\*\*\*)[^\s&#'\"]+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text without the passwords in its URLs: user and password before the host, and keys and tokens in the
    query."""
    return _KEY.sub(r"\1***", _USER.sub("***@", text)) if "://" in text else text


def plain(text: object) -> str:
    """Return what may be printed: without passwords in URLs; control characters but tab and newline become visible."""
    return masked(str(text)).translate(_VISIBLE)


class Screen(Console):
    """A console that prints what it is given as it is: brackets are no markup, :names: no emoji, and all goes through
    `plain`."""

    def __init__(self, **options: Any):
        super().__init__(**{"markup": False, "emoji": False, "highlight": False} | options)

    def render_str(self, text: str, **options: Any) -> Text:
        """``text`` as it is laid out."""
        return super().render_str(plain(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of ``renderable``."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def screen(width: int = NO_TERMINAL, **options: Any) -> Screen:
    """Console for the terminal as wide as it is; for a file or a pipe ``width`` columns."""
    console = Screen(**options)
    return console if console.is_terminal else Screen(width=width, **options)


def line(message: str, style: str = "") -> Text:
    """A line in ``style``; a warning shows at its first word."""
    text = Text(plain(message), style)
    text.highlight_regex(r"^warning:", "bold red")
    return text
