"""The text layer of .pdf files, page by page (PDFium)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SOFT_HYPHEN = "\x02"
"""What PDFium writes for a hyphen that only divides a word at the end of a line, and for the end of that line."""


class UnreadablePdf(Exception):
    """No PDF, a damaged one, or one that wants a password; the message goes on after the file's name."""


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
    """Text layer of page ``number`` (from 0), divided words joined, line ends as ``\n``; "" where it has none, or is
    damaged."""
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
