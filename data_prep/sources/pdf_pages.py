"""Pages of .pdf files, unpacked in a process of its own whose memory is bounded: PDFium unpacks a page of a few bytes
to gigabytes where these say so, names no size before, and ends its process where memory runs out.

    python -m data_prep.sources.pdf_pages BYTES   a path (JSON) a line on standard input; a list of texts as answer
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from common.interrupt import deaf
from common.reading.document import Document
from common.reading.reading import Reading
from data_prep.sources.pages import PAGE_BREAK
from data_prep.sources.pdf import UnreadablePdf, open_pdf, page_text

BASE = 1 << 29
"""Bytes of address space that the process has beside those for pages: Python, PDFium, the file."""


class _TooLarge(Exception):
    """A file whose pages need more memory than allowed."""


def read_pdf(reading: Reading) -> Iterator[Document]:
    """The pages with a text layer; the others are listed in the field pages_without_text, and a file without any is
    bad."""
    path, form = reading.span.path, reading.form
    try:
        if not reading.compression:
            texts = _pages(path, form.whole_bytes, form.max_bytes)
            reading.seen(path.stat().st_size)
        elif (raw := reading.unpacked()) is None:
            return
        else:
            with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
                file.write(raw)
                file.flush()
                texts = _pages(Path(file.name), form.whole_bytes, form.max_bytes)
    except _TooLarge:
        return reading.add_too_large(str(path))
    except UnreadablePdf as error:
        return reading.bad.add("broken_file", str(path), str(error))
    if form.max_bytes and sum(map(len, texts)) > form.max_bytes:
        return reading.add_too_long(1)
    without = [number for number, text in enumerate(texts, 1) if not text]
    if len(without) == len(texts):
        return reading.bad.add(
            "no_text_layer", str(path), f"has no text layer on any of its {len(texts)} pages; read it with jobs.ocr"
        )
    text = PAGE_BREAK.join(filter(None, texts))
    yield from reading.document(text, fields={"pages": len(texts), "pages_without_text": without})


def _pages(path: Path, limit: int | None, most: int | None) -> list[str]:
    """Text layer of each page of the file ``path`` ("" for none), in at most ``limit`` bytes of memory; reading ends
    behind ``most`` characters. Raises _TooLarge, and UnreadablePdf as `open_pdf` does."""
    child = _child(limit)
    try:
        child.stdin.write(json.dumps([str(path.absolute()), most]) + "\n")
        child.stdin.flush()
        answer = child.stdout.readline()
    except BrokenPipeError:
        answer = ""
    if not answer:
        child.wait()
        _child.cache_clear()
        raise _TooLarge
    pages, error = json.loads(answer)
    if error:
        raise UnreadablePdf(error)
    return pages


@cache
def _child(limit: int | None) -> subprocess.Popen:
    """A process that reads files one after another; it ends with this one, whose end closes its standard input."""
    command = [sys.executable, "-m", __name__, str(limit + BASE if limit else 0)]
    code = {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    }  # this very code
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with deaf():
        return subprocess.Popen(command, env=os.environ | code, text=True, **pipes)


def main(limit: int) -> None:
    """Answer requests until standard input ends."""
    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        path, most = json.loads(line)
        pages: list[str] = []
        error = ""
        try:
            with open_pdf(Path(path)) as document:
                while len(pages) < len(document) and (most is None or sum(map(len, pages)) <= most):
                    pages.append(page_text(document, len(pages)))
        except UnreadablePdf as fault:
            error = str(fault)
        print(json.dumps([pages, error]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
