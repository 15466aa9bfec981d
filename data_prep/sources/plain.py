"""Pages of HTML."""

from collections.abc import Iterator

from common.reading.document import Document
from common.reading.plain import whole_text
from common.reading.reading import Reading


def read_html(reading: Reading) -> Iterator[Document]:
    """The main text of a page, with its title and its own address (the fields title, url)."""
    from data_prep.sources.html import TooDeep, extract

    text = whole_text(reading, own_encoding=True)
    if text is None:
        return
    try:
        page = extract(text)
    except TooDeep as error:
        return reading.bad.add("too_deep", str(reading.span.path), str(error))
    if page.text:
        fields = {name: value for name, value in (("title", page.title), ("url", page.url)) if value}
        yield from reading.document(page.text, fields=fields)
    else:
        reading.bad.add("no_text", str(reading.span.path), "has no main text: menus, links and scripts alone")
