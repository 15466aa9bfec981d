"""Nesting depth of a page of HTML, asked before it is parsed.

The parser is C code that nothing interrupts. It makes a node for every formatting element (`<b>`, `<font>`) that was
never closed each time another element begins, so that 40 KB can keep it busy for seconds and a megabyte for hours. Here
one pass over the tags gives an upper bound of what will be open at a time, by the rules of the HTML standard for end
tags."""

import re

MOST = 256
"""Open elements; pages that people read have some dozens."""
FEW = 10_000
"""A page with so many tags may nest them all: that takes the parser a tenth of a second. Most pages need no pass over
their tags."""
MOST_CARRIED = 64
"""Different formatting elements that were never closed, which the parser carries from block to block."""
FORMATTING = frozenset((
    "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
))  # fmt: skip
EMPTY = frozenset((
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "image", "img", "input", "keygen",
    "link", "meta", "param", "source", "track", "wbr",
))  # fmt: skip
CLOSED_BY_THE_NEXT = frozenset((
    "a", "body", "colgroup", "dd", "dt", "head", "html", "li", "optgroup", "option", "p", "rb", "rp", "rt", "rtc",
    "tbody", "td", "tfoot", "th", "thead", "tr",
))  # fmt: skip
"""Elements that need no end; they nest only within others."""
UNCOUNTED = EMPTY | CLOSED_BY_THE_NEXT
BARRIERS = frozenset((
    "annotation-xml", "applet", "caption", "desc", "foreignobject", "marquee", "mi", "mn", "mo", "ms", "mtext",
    "object", "select", "table", "template", "title",
))  # fmt: skip
"""An end tag within them closes nothing outside."""
BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "button", "center", "details", "dialog", "dir", "div", "dl",
    "fieldset", "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "listing",
    "main", "menu", "nav", "ol", "pre", "search", "section", "summary", "ul", "applet", "marquee", "object", "select",
    "table", "template",
))  # fmt: skip
"""Their end tags close what is open within them; those of others close no element of these."""
SPECIAL = BLOCKS | BARRIERS | frozenset((
    "form", "frameset", "iframe", "noembed", "noframes", "noscript", "plaintext", "textarea", "xmp",
))  # fmt: skip
FOREIGN = frozenset(("svg", "math"))
"""Within them any element nests, but for one that is written <so/>."""
_SPACE = r"\t\n\f\r "
_ATTRIBUTE = rf"""[^{_SPACE}/>][^{_SPACE}/>=]*+(?:[{_SPACE}]*+=[{_SPACE}]*+(?:"[^"]*+"|'[^']*+'|[^{_SPACE}>"'][^{_SPACE}>]*+)?+)?+"""  # noqa: E501
_ATTRIBUTES = rf"((?:[{_SPACE}]++|/(?!>)|{_ATTRIBUTE})*+)(/?)>"
_BEGINS = re.compile(r"<(?:(!--)|(!\[CDATA\[)|(!|\?|/[^a-zA-Z>])|/?[a-zA-Z])")
_TAG = re.compile(rf"<(/?)([a-zA-Z][^{_SPACE}/>]*+){_ATTRIBUTES}")
_INLINE = re.compile(rf"</?(?:{'|'.join(FORMATTING)}|span)(?=[{_SPACE}/>]){_ATTRIBUTES}", re.IGNORECASE)
_WITH_ATTRIBUTES = re.compile(rf"<(?:{'|'.join(FORMATTING)})[{_SPACE}/][^>]", re.IGNORECASE)
_COMMENT_END, _END = re.compile(r"--!?>"), re.compile(">")
_TEXT = ("iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp")
"""What stands in them is text, unless they are themselves passed over."""
_TEXT_END = {name: re.compile(rf"</{name}(?=[{_SPACE}/>])", re.IGNORECASE) for name in _TEXT}

Element = tuple[str, str]
"""Name and attributes."""


def shallow(html: str) -> str | None:
    """The page as it can be parsed: itself; without its formatting elements, which hold no text of their own, where it
    leaves too many of them open; None for one that nests too deep."""
    few = html.count("<") <= FEW and sum(1 for _ in _WITH_ATTRIBUTES.finditer(html)) <= MOST_CARRIED
    if few or not _too_deep(html):
        return html
    html = _INLINE.sub("", html)
    return None if _too_deep(html) else html


def _too_deep(html: str) -> bool:
    stack: list[Element] = []
    carried: set[Element] = set()
    at = only_starts_to = foreign = 0
    while match := _BEGINS.search(html, at):
        if match[1] or match[3]:
            at = _after(_COMMENT_END if match[1] else _END, html, match.start() + 2)
            continue
        if match[2]:  # text as far as ]]> or >, and there is no telling which
            at, only_starts_to = _after(_END, html, match.end()), max(only_starts_to, html.find("]]>", match.end()))
            continue
        tag = _TAG.match(html, match.start())
        if not tag:  # it goes on to the end of the page, and is none
            return False
        at = tag.end()
        is_end, name, attributes, closed = tag.groups()
        name = name.lower()
        if is_end:
            if stack and at > only_starts_to:
                gone = _close(stack, name)
                carried.update(entry for entry in gone[1:] if entry[0] in FORMATTING)
                foreign -= sum(entry[0] in FOREIGN for entry in gone) if foreign else 0
            continue
        if name in _TEXT_END:
            end = _TEXT_END[name].search(html, at)
            end = end.start() if end else len(html)
            certain = name == "script" or (name == "style" and all(entry != "select" for entry, _ in stack))
            at, only_starts_to = (end, only_starts_to) if certain and not foreign else (at, max(only_starts_to, end))
            if not foreign:
                continue
        if not closed if foreign else name not in UNCOUNTED:
            stack.append((name, attributes))
            foreign += name in FOREIGN
            if len(stack) > MOST:
                return True
        if len(carried) > MOST_CARRIED:
            return True
    return False


def _after(end: re.Pattern[str], html: str, at: int) -> int:
    match = end.search(html, at)
    return match.end() if match else len(html)


def _close(stack: list[Element], name: str) -> list[Element]:
    """Take from ``stack`` what an end tag closes, and give it: the element of its name, and what is open within
    that."""
    if stack[-1][0] == name:
        return [stack.pop()]
    special = False
    for place in range(len(stack) - 1, -1, -1):
        open_name = stack[place][0]
        if open_name == name:
            alone = special and name not in BLOCKS
            if alone and name not in FORMATTING and name != "form":
                return []
            gone = stack[place : place + 1 if alone else None]
            del stack[place : place + len(gone)]
            return gone
        if open_name in BARRIERS:
            break
        special |= open_name in SPECIAL
    return []
