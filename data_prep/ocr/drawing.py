"""A page of a PDF as an image in a request."""

import base64
import io
from typing import Any

from data_prep.sources.pdf import UnreadablePdf

MOST_PIXELS = 40_000_000
"""Larger pages (posters, broken page sizes) are drawn at a lower resolution."""
POINTS_PER_INCH = 72


def page_png(document: Any, number: int, dpi: int) -> bytes:
    """Page ``number`` (from 0) of a `pypdfium2.PdfDocument`, drawn by PDFium; the same bytes each time. Raises
    UnreadablePdf."""
    import pypdfium2

    try:
        page = document[number]
        width, height = page.get_size()
        scale = min(dpi / POINTS_PER_INCH, (MOST_PIXELS / max(width * height, 1)) ** 0.5)
        image = page.render(scale=scale).to_pil()
        page.close()
    except pypdfium2.PdfiumError as error:
        raise UnreadablePdf(f"cannot be drawn ({error})") from error
    with io.BytesIO() as file:
        image.convert("RGB").save(file, "PNG", compress_level=1)
        return file.getvalue()


def question(png: bytes, prompt: str) -> list[dict[str, Any]]:
    """Content of the message that asks about an image."""
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": prompt}]
