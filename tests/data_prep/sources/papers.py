"""PDFs for tests: pages of text, and pages that were scanned."""

import io
from pathlib import Path

import matplotlib.figure
import pypdfium2
from matplotlib.backends.backend_pdf import PdfPages
from PIL import Image, ImageDraw


def text_pdf(pages: list[str]) -> bytes:
    """A PDF with a text layer, a page each."""
    file = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42}), PdfPages(file) as pdf:
        for text in pages:
            figure = matplotlib.figure.Figure(figsize=(4, 3))
            figure.text(0.1, 0.5, text)
            pdf.savefig(figure)
    return file.getvalue()


def scanned_pdf(pages: list[str]) -> bytes:
    """A PDF of images of text."""
    images = []
    for text in pages:
        images.append(Image.new("RGB", (300, 100), "white"))
        ImageDraw.Draw(images[-1]).text((10, 40), text, fill="black")
    file = io.BytesIO()
    images[0].save(file, "PDF", save_all=True, append_images=images[1:], resolution=72)
    return file.getvalue()


def bound(parts: list[bytes], path: Path) -> Path:
    """One PDF out of several."""
    whole = pypdfium2.PdfDocument.new()
    for part in parts:
        whole.import_pages(pypdfium2.PdfDocument(part))
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save(str(path))
    whole.close()
    return path
