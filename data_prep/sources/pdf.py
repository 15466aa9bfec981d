"""The text layer of .pdf files, page by page (PDFium)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.reading.document import Document
from common.reading.reading import Reading
from data_prep.sources.pages import PAGE_BREAK

SOFT_HYPHEN = "\x02"
"""What PDFium writes for a hyphen that only divides a word at the end of a line, and for the end of that line."""


class UnreadablePdf(Exception):
    """No PDF, a damaged one, or one that wants a password; the message goes on after the file's name."""


def read_pdf(reading: Reading) -> Iterator[Document]:
    """The pages with a text layer; the others are listed in the field pages_without_text, and a file without any is bad."""
    path = reading.span.path
    source: Path | bytes | None = reading.unpacked() if reading.compression else path
    if source is None:
        return
    texts: list[str] = []
    size = 0
    try:
        with open_pdf(source) as document:
            for number in range(len(document)):
                texts.append(page_text(document, number))
                size += len(texts[-1])
                if reading.form.max_bytes and size > reading.form.max_bytes:
                    return reading.add_too_long(1)
    except UnreadablePdf as error:
        return reading.bad.add("broken_file", str(path), str(error))
    if not reading.compression:
        reading.seen(path.stat().st_size)
    without = [number for number, text in enumerate(texts, 1) if not text]
    if len(without) == len(texts):
        return reading.bad.add("no_text_layer", str(path), f"has no text layer on any of its {len(texts)} pages; read it with jobs.ocr")
    text = PAGE_BREAK.join(filter(None, texts))
    yield from reading.document(text, fields={"pages": len(texts), "pages_without_text": without})


@contextmanager
def open_pdf(source: Path | bytes) -> Iterator[Any]:
    """A `pypdfium2.PdfDocument`. Raises UnreadablePdf."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(source)
    except (pypdfium2.PdfiumError, OSError) as error:
        raise UnreadablePdf(f"is not readable as PDF ({str(error).splitlines()[0].rstrip('.')})") from error
    try:
        yield document
    except pypdfium2.PdfiumError as error:
        raise UnreadablePdf(f"is damaged ({str(error).splitlines()[0].rstrip('.')})") from error
    finally:
        document.close()


def page_text(document: Any, number: int) -> str:
    """Text layer of page ``number`` (from 0), divided words joined, line ends as ``\n``; "" where it has none, or is damaged."""
    import pypdfium2

    try:
        page = document[number]
        layer = page.get_textpage()
        text = layer.get_text_bounded()
        layer.close()
        page.close()
    except pypdfium2.PdfiumError:
        return ""
    return "\n".join(line.rstrip() for line in text.replace(SOFT_HYPHEN, "").splitlines()).strip()
