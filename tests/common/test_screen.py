"""What is printed: whole, and without steering the terminal or showing a password."""

import io

import pytest
from rich.table import Table
from rich.text import Text

from common.progress import Bar, say
from common.screen import Screen, masked, plain

HOSTILE = "runs/[bold]a[/]/:smile:[link=x]\x1b]0;title\x07\x1b[31m\u202e\x9b2J"
SHOWN = "runs/[bold]a[/]/:smile:[link=x]\ufffd]0;title\ufffd\ufffd[31m\ufffd\ufffd2J"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_screen_shows_names_as_they_are(terminal):
    file = io.StringIO()
    screen = Screen(file=file, force_terminal=terminal, width=200, color_system=None)
    table = Table("name", title=HOSTILE, box=None)
    table.add_row(HOSTILE)
    screen.print(table)
    screen.print(HOSTILE)
    screen.print(Text(HOSTILE, "bold"))
    told = [line.strip() for line in file.getvalue().splitlines()]
    assert told[:4] == [SHOWN, "name", SHOWN, SHOWN] and told[4].startswith(SHOWN[:36])
    assert "\x1b]" not in file.getvalue() and "\x9b" not in file.getvalue()


def test_lines_and_bars_show_names_as_they_are(capsys):
    say(f"warning: {HOSTILE}")
    with Bar(HOSTILE, 1) as bar:
        bar.advance(1)
    told = capsys.readouterr().err
    assert f"warning: {SHOWN}\n" in told and told.count(SHOWN) == 2 and "\x1b" not in told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://ada:geheim@node7:8000/v1 away", "http://***@node7:8000/v1 away"),
        ("https://hf_tokentoken@hub/x", "https://***@hub/x"),
        ("(https://h/v1?a=1&api_key=sk-1&b=2)", "(https://h/v1?a=1&api_key=***&b=2)"),
        ("https://h?X-Amz-Signature=ab/c", "https://h?X-Amz-Signature=***"),
        ("git+ssh://git@github.com/a/b@v1", "git+ssh://git@github.com/a/b@v1"),
        ("http://h/a@b mail a@b.c ?token=x", "http://h/a@b mail a@b.c ?token=***"),
        ("hf://datasets/a/b@main", "hf://datasets/a/b@main"),
        ("a?token=x", "a?token=x"),
    ],
)
def test_passwords_in_urls_are_masked(text, shown):
    assert masked(text) == plain(text) == masked(shown) == shown
