"""Files that are one text: .txt, .md and .html."""

import re
from collections.abc import Iterator

from data_prep.sources.document import Document
from data_prep.sources.form import WrongEncoding
from data_prep.sources.reading import BOM, Reading

META = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
META_WITHIN = 1024
"""Bytes in which HTML wants a page to name its encoding."""


def read_text(reading: Reading) -> Iterator[Document]:
    """A .txt or .md file as it is."""
    text = _text(reading)
    if text is not None:
        yield from reading.document(text)


def read_html(reading: Reading) -> Iterator[Document]:
    """The main text of a page, with its title and its own address (the fields title, url)."""
    from data_prep.sources.html import extract

    text = _text(reading, own_encoding=True)
    if text is None:
        return
    page = extract(text)
    if page.text:
        fields = {name: value for name, value in (("title", page.title), ("url", page.url)) if value}
        yield from reading.document(page.text, fields=fields)
    else:
        reading.bad.add("no_text", str(reading.span.path), "has no main text: menus, links and scripts alone")


def _text(reading: Reading, own_encoding: bool = False) -> str | None:
    """The text of the whole file; None where it is bad, which is counted."""
    form = reading.form
    raw = reading.whole(form.max_bytes)
    if raw is None:
        return None
    raw = raw.removeprefix(BOM) if form.is_utf8 else raw
    try:
        return form.decode(raw)
    except WrongEncoding as error:
        declared = META.search(raw[:META_WITHIN]) if own_encoding else None
        if declared:
            try:
                return raw.decode(declared[1].decode("ascii"))
            except (UnicodeError, LookupError):
                pass
        place = reading.span.place(raw.count(b"\n", 0, error.at) + 1) if form.is_utf8 else str(reading.span.path)
        reading.bad.add(error.kind, place, str(error))
        return None
