"""Degradations of lines and of the page. Each takes a text, a source of chance and the share of the text that is
touched or added."""

import random
import re

from data_prep.quality.degrade.characters import drawn, pieces
from data_prep.quality.degrade.words import of_sentences

_SOCIAL = [
    "Facebook",
    "Twitter",
    "Instagram",
    "YouTube",
    "WhatsApp",
    "RSS",
    "E-mail",
    "©",
    "»",
    "«",
    "1 2 3 4 5 »",
    "...",
    "+",
    "×",
]


def _short(text: str, draw: random.Random) -> list[str]:
    """Two dozen headings of one to three words, made of the text's own."""
    words = [word.strip(".,;:()\"'") for word in text.split() if len(word) > 3] or ["..."]
    return [" ".join(draw.choices(words, k=draw.randint(1, 3))).title() for _ in range(24)]


def _with_blocks(text: str, draw: random.Random, share: float, block) -> str:
    """Put ``block()`` after lines until blocks make up a share of the whole."""
    lines = text.split("\n")
    wanted = share / (1 - min(share, 0.9)) * len(text)
    added: dict[int, list[str]] = {}
    while wanted > 0:
        piece = block()
        wanted -= len(piece) + 1
        added.setdefault(draw.randint(0, len(lines)), []).append(piece)
    whole = list(added.get(0, []))
    for number, line in enumerate(lines, 1):
        whole += [line, *added.get(number, [])]
    return "\n".join(whole)


def menus(text: str, draw: random.Random, share: float) -> str:
    """Menus, links and buttons of a page stand between the lines."""
    items = _short(text, draw) + _SOCIAL
    row = draw.choice(["\n", " | ", " » ", "\n", "  "])
    return _with_blocks(text, draw, share, lambda: row.join(draw.sample(items, draw.randint(4, 12))))


def repeated_lines(text: str, draw: random.Random, share: float) -> str:
    """Lines come again, at once or later."""
    lines = [line for line in text.split("\n") if line.strip()] or [text]
    few = draw.sample(lines, min(len(lines), draw.randint(1, 4)))
    return _with_blocks(text, draw, share, lambda: draw.choice(few))


def tables(text: str, draw: random.Random, share: float) -> str:
    """Sentences give way to cells of a table, one a line or in rows, numbers among them."""
    between = draw.choice(["\n", "\n", "\t", " | ", "  "])

    def number() -> str:
        return draw.choice(
            [
                str(draw.randint(1, 999)),
                f"{draw.randint(1, 31)}.{draw.randint(1, 12)}.{draw.randint(1950, 2024)}",
                f"{draw.randint(1, 99_999):,}",
                f"% {draw.randint(1, 100)}",
                "-",
            ]
        )

    def change(sentence: str) -> str:
        words = [word.strip(".,;:") for word in sentence.split()]
        cells, at = [], 0
        while at < len(words):
            size = draw.randint(1, 3)
            cells += [" ".join(words[at : at + size]), *(number() for _ in range(draw.randint(0, 3)))]
            at += size + draw.randint(0, 2)
        return between.join(cells) + "\n"

    return of_sentences(text, draw, share, change)


def hyphenated(text: str, draw: random.Random, share: float) -> str:
    """Lines are broken at a width, words within them, as in the columns of a page; headers and numbers of pages come in
    between."""
    width, broken_lines, page = draw.randint(25, 60), [], draw.randint(2, 300)
    header = " ".join(text.split()[:4]).upper()
    lines = text.split("\n")
    broken = set(drawn(draw, [number for number, line in enumerate(lines) if len(line) > width], share))
    for number, line in enumerate(lines):
        at = 0
        while number in broken and len(line) - at > width:
            end = at + width
            hyphen = "-" if line[end - 1].isalpha() and line[end].isalpha() else ""
            broken_lines.append(line[at:end].rstrip() + hyphen)
            at = end
            while at < len(line) and line[at].isspace():
                at += 1
            if draw.random() < 0.04:
                page += 1
                broken_lines += [str(page), header]
        broken_lines.append(line[at:])
    return "\n".join(broken_lines)


def markup(text: str, draw: random.Random, share: float) -> str:
    """Tags, entities, links and braces of the page's source are left in."""
    tags = ["<p>", "</p>", "<br/>", '<a href="/index.php?id=%d">', "</a>", '<div class="c%d">', "</div>", "&nbsp;",
    "&amp;", "{{%d}}",
            "[[link|%d]]", "</span>", "<li>", "http://www.example.com/%d.html", 'style="width:%dpx"',
            "function(){return %d;}"]  # fmt: skip
    parts = pieces(text)
    for place in drawn(draw, list(range(0, len(parts), 2)), share / 2):
        parts[place] = draw.choice(tags).replace("%d", str(draw.randint(1, 999))) + parts[place]
    return "".join(parts)


def lists(text: str, draw: random.Random, share: float) -> str:
    """Sentences fall apart into bare items, one a line."""
    bullet = draw.choice(["- ", "", "• ", "* "])

    def change(sentence: str) -> str:
        words = re.split(r"\s+", sentence.rstrip(".;:!?"))
        items, at = [], 0
        while at < len(words):
            size = draw.randint(1, 4)
            items.append(bullet + " ".join(words[at : at + size]))
            at += size
        return "\n".join(items) + "\n"

    return of_sentences(text, draw, share, change)
