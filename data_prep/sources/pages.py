"""Page-wise JSON of a vision OCR model: .pages.json (a document) and .pages.jsonl (a document a line).

A document is ``{"id": ..., "pages": [page, ...], ...}``, or a bare list of pages. A page is ``{"page": 1, "text":
"..."}``, or has ``cells`` in place of text: the layout that DotsOCR writes, a list of ``{"bbox": [...], "category":
"Text", "text": "..."}`` in reading order. A bare list of cells, or a bare string, is a page too. Cells of headers,
footers and pictures are left out; tables, which DotsOCR writes in HTML, become a line a row."""

from collections.abc import Iterator
from typing import Any

from common.reading.document import Document
from common.reading.exact import loads
from common.reading.jsonl import records
from common.reading.reading import BOM, Reading

PAGE_BREAK = "\n\f\n"
"""Between two pages of a document."""
LEFT_OUT = ("Page-header", "Page-footer", "Picture")


class NoPages(ValueError):
    """A record that is not page-wise; the message goes on after its place."""


def read_pages(reading: Reading) -> Iterator[Document]:
    """The document of a .pages.json."""
    raw = reading.whole()
    if raw is None:
        return
    try:
        record = loads(raw.removeprefix(BOM))
    except ValueError as error:
        reading.bad.add("invalid_json", str(reading.span.path), f"is not valid JSON ({error})")
        return
    yield from _document(record if isinstance(record, dict) else {"pages": record}, 1, "", reading)


def read_page_lines(reading: Reading) -> Iterator[Document]:
    """The documents of a .pages.jsonl."""
    for row, record in records(reading):
        yield from _document(record, row, "line", reading)


def _document(record: dict[str, Any], row: int, unit: str, reading: Reading) -> Iterator[Document]:
    try:
        texts = page_texts(record.pop("pages", None))
    except NoPages as error:
        reading.bad.add("invalid_pages", reading.place(row, unit), str(error))
        return
    without = [number for number, text in texts if not text]
    if len(without) == len(texts):
        reading.bad.add("no_text", reading.place(row, unit), f"has no text on any of its {len(texts)} pages")
        return
    fields = record | {"pages": len(texts), "pages_without_text": without}
    yield from reading.document(PAGE_BREAK.join(text for _, text in texts if text), row, fields, unit)


def page_texts(pages: Any) -> list[tuple[int, str]]:
    """Number (from 1) and text of each page, "" where it has none. Raises NoPages."""
    if not isinstance(pages, list):
        raise NoPages("has no list of pages in the field 'pages'")
    if pages and all(isinstance(page, dict) and "category" in page for page in pages):
        pages = [pages]
    return [_page(page, place) for place, page in enumerate(pages, 1)]


def _page(page: Any, place: int) -> tuple[int, str]:
    number, content = place, page
    if isinstance(page, dict):
        number = page.get("page", page.get("page_no", place - 1) + 1)
        content = page.get("cells", page.get("text"))
    if isinstance(content, list):
        content = cells_text(content, place)
    if content is not None and not isinstance(content, str) or not isinstance(number, int):
        raise NoPages(f"has neither text nor cells on its page {place}")
    return number, (content or "").strip()


def cells_text(cells: list[Any], place: int = 1) -> str:
    """Text of a page from its cells, a blank line between two."""
    if not all(isinstance(cell, dict) and isinstance(cell.get("text") or "", str) for cell in cells):
        raise NoPages(f"has something else than cells on its page {place}")
    texts = [_cell(cell) for cell in cells if cell.get("category") not in LEFT_OUT]
    return "\n\n".join(filter(None, texts))


def _cell(cell: dict[str, Any]) -> str:
    text = (cell.get("text") or "").strip()
    if cell.get("category") == "Table" and text.startswith("<"):
        from data_prep.sources.html import TooDeep, lines_of

        try:
            return "\n".join(lines_of(text))
        except TooDeep as error:
            raise NoPages(f"has a table that {error}") from error
    return text
