"""The main text of a page of HTML, a line a paragraph (lexbor).

What never is text goes first: scripts, styles, forms, navigation, asides, footers, and headers that are not those of an
article. Of the rest `<main>`, or the article with at least half of the characters, is taken where there is one, else
the body. What is left are blocks: headings, paragraphs, list items, rows of tables, one line each. A block is dropped
where more than a third of its characters are links, the threshold that Kohlschuetter et al. ("Boilerplate Detection
using Shallow Text Features", WSDM 2010) learnt. Their further thresholds count words, which differ from language to
language, so they are not used."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from data_prep.sources.nesting import MOST, shallow

MAX_LINK_SHARE = 1 / 3
MIN_ARTICLE_SHARE = 0.5
NOT_TEXT = (
    "script, style, noscript, template, iframe, object, svg, math annotation, canvas, audio, video, form, button,"
    " select, textarea, nav, aside, footer, menu, dialog, [role=navigation], [role=banner], [role=contentinfo],"
    " [role=complementary], [role=search], [hidden], [aria-hidden=true]"
)
BLOCKS = frozenset((
    "address", "article", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption",
    "figure", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "li", "main", "ol", "p", "pre", "section",
    "summary",
    "table", "tbody", "tfoot", "thead", "tr", "ul",
))  # fmt: skip
CELLS = ("td", "th")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
END = None
"""On the stack: here a block ends."""


@dataclass(frozen=True)
class Page:
    """Contents of a page of HTML."""

    text: str
    """Its main text; "" where it has none."""
    title: str
    url: str
    """The address that it gives as its own (`<link rel=canonical>`)."""


class TooDeep(ValueError):
    """Markup whose elements nest deeper than text does; the message goes on after its place."""


def extract(html: str) -> Page:
    """The main text of a page. Raises TooDeep."""
    tree = _parsed(html)
    title, canonical = tree.css_first("title"), tree.css_first("link[rel=canonical]")
    for node in tree.css(NOT_TEXT):
        node.decompose()
    for node in tree.css("header"):
        if not _within(node, ("article", "main")):
            node.decompose()
    root = _main(tree)
    text = "\n".join(line for line, links in _lines(root) if links <= MAX_LINK_SHARE * len(line)) if root else ""
    url = canonical.attributes.get("href") if canonical else ""
    return Page(text, _squeeze(title.text()) if title else "", url or "")


def lines_of(fragment: str) -> list[str]:
    """All lines of a piece of HTML, such as a table. Raises TooDeep."""
    body = _parsed(fragment).body
    return [line for line, _ in _lines(body)] if body else []


def _parsed(html: str) -> Any:
    from selectolax.lexbor import LexborHTMLParser

    html = shallow(html)
    if html is None:
        raise TooDeep(f"nests more than {MOST} elements in one another, which no text does")
    return LexborHTMLParser(html)


def _within(node: Any, tags: tuple[str, ...]) -> bool:
    while (node := node.parent) is not None:
        if node.tag in tags:
            return True
    return False


def _main(tree: Any) -> Any:
    """The element with the main text."""
    if main := tree.css_first("main, [role=main]"):
        return main
    articles = [node for node in tree.css("article") if not _within(node, ("article",))]
    if articles and tree.body:
        longest = max(articles, key=lambda node: len(node.text()))
        if len(longest.text()) >= MIN_ARTICLE_SHARE * len(tree.body.text()):
            return longest
    return tree.body


def _lines(root: Any) -> Iterator[tuple[str, int]]:
    """Lines with a visible character, each with how many of its characters are links. No recursion: pages nest as deep
    as they like."""
    pieces: list[tuple[str, bool]] = []
    stack: list[tuple[Any, bool, bool]] = [(root, False, False)]
    while stack:
        node, linked, kept = stack.pop()
        if node is END:
            yield from _flush(pieces)
        elif node.is_text_node:
            first, *more = (node.text_content or "").split("\n") if kept else [node.text_content or ""]
            pieces.append((first, linked))
            for line in more:
                yield from _flush(pieces)
                pieces.append((line, linked))
        else:
            tag = node.tag
            if tag == "a" and _is_own_address(node) and not any(map(str.isalnum, node.text())):
                continue  # the sign by a heading
            if tag in BLOCKS or tag == "br":
                yield from _flush(pieces)
                stack.append((END, False, False))
            elif tag in CELLS:
                pieces.append((" ", False))
            linked, kept = linked or (tag == "a" and _leads_away(node)), kept or tag == "pre"
            stack.extend((child, linked, kept) for child in reversed(list(node.iter(include_text=True))))
    yield from _flush(pieces)


def _leads_away(link: Any) -> bool:
    """Check whether an ``<a>`` is a link: an anchor is none, nor is a heading that is its own address."""
    return bool(link.attributes.get("href")) and not _is_own_address(link)


def _is_own_address(link: Any) -> bool:
    return link.parent.tag in HEADINGS and (link.attributes.get("href") or "").startswith("#")


def _flush(pieces: list[tuple[str, bool]]) -> Iterator[tuple[str, int]]:
    """The line that the pieces make."""
    line = _squeeze("".join(text for text, _ in pieces))
    links = sum(len(_squeeze(text)) for text, linked in pieces if linked)
    pieces.clear()
    if line:
        yield line, links


def _squeeze(text: str) -> str:
    return " ".join(text.split())
