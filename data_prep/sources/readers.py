"""Documents out of files of every format and of data sets, plain or packed, streaming and in order."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from common.reading import readers
from common.reading.bad import BadDocuments
from common.reading.document import Document, Span
from conf.schema.corpus import SourceConfig
from conf.schema.data import DataConfig
from data_prep.sources.form import Form
from data_prep.sources.hub import is_hub
from data_prep.sources.hub_rows import read_hub
from data_prep.sources.inputs import list_inputs
from data_prep.sources.pages import read_page_lines, read_pages
from data_prep.sources.pdf_pages import read_pdf
from data_prep.sources.plain import read_html

__all__ = ["BadDocuments", "Document", "Form", "Span", "list_inputs", "read_documents"]
READERS: dict[str, readers.Reader] = readers.READERS | {
    "html": read_html,
    "pdf": read_pdf,
    "pages": read_pages,
    "page_lines": read_page_lines,
}


def read_documents(
    source: Path | Span,
    form: DataConfig | SourceConfig | readers.Form,
    bad: BadDocuments | None = None,
    fields: Sequence[str] | None = None,
    seen: Callable[[int], Any] | None = None,
) -> Iterator[Document]:
    """Read documents as `common.reading.readers.read_documents` does, of more formats: a .html, .pdf or .pages.json is
    one document too."""
    span = source if isinstance(source, Span) else Span(source)
    if is_hub(span.path):
        return read_hub(readers.opened(span, Form.of(form), bad, fields, seen))
    return readers.read_documents(span, Form.of(form), bad, fields, seen, READERS)
