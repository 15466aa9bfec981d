"""Files that are one text."""

import re
from collections.abc import Iterator

from common.reading.document import Document
from common.reading.form import WrongEncoding
from common.reading.reading import BOM, Reading

META = re.compile(rb"""<meta[^>]{1,1000}charset\s*+=\s*+["']?\s*+([\w.:-]+)""", re.IGNORECASE)
META_WITHIN = 1024
"""Bytes in which HTML wants a page to name its encoding."""


def read_text(reading: Reading) -> Iterator[Document]:
    """A .txt or .md file as it is."""
    text = whole_text(reading)
    if text is not None:
        yield from reading.document(text)


def whole_text(reading: Reading, own_encoding: bool = False) -> str | None:
    """The text of the whole file; None where it is bad, which is counted. ``own_encoding``: in that which a page of
    HTML names, where it is not in the declared one."""
    form = reading.form
    raw = reading.whole()
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
