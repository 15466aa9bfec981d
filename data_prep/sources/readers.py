"""Documents out of files of every format, plain or packed, streaming and in order."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from conf.schema.corpus import SourceConfig
from conf.schema.data import DataConfig
from data_prep.sources.bad import BadDocuments
from data_prep.sources.document import Document, Span
from data_prep.sources.form import Form
from data_prep.sources.hub_rows import read_hub
from data_prep.sources.inputs import kind_of, list_inputs
from data_prep.sources.jsonl import read_jsonl
from data_prep.sources.pages import read_page_lines, read_pages
from data_prep.sources.parquet import read_parquet
from data_prep.sources.pdf import read_pdf
from data_prep.sources.plain import read_html, read_text
from data_prep.sources.reading import Reading

__all__ = ["BadDocuments", "Document", "Form", "Span", "list_inputs", "read_documents"]
READERS: dict[str, Callable[[Reading], Iterator[Document]]] = {
    "text": read_text,
    "html": read_html,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "pdf": read_pdf,
    "pages": read_pages,
    "page_lines": read_page_lines,
    "hub": read_hub,
}


def read_documents(
    source: Path | Span,
    form: DataConfig | SourceConfig | Form,
    bad: BadDocuments | None = None,
    all_fields: bool = True,
    seen: Callable[[int], Any] | None = None,
) -> Iterator[Document]:
    """Documents of one file or span, in order; a .txt, .md, .html, .pdf or .pages.json is one document, blank lines of a .jsonl are none.

    ``bad`` is told of what cannot be read (default: error), each document once. ``all_fields=False`` reads text and id alone where that
    saves work. ``seen`` is told the bytes taken from the disk. A UTF-8 byte order mark at the beginning of a file is dropped.
    Raises UserError for an unreadable file, a .parquet without the text column, and as ``bad`` says."""
    span = source if isinstance(source, Span) else Span(source)
    name, compression = kind_of(span.path) or ("text", "")
    reading = Reading(span, Form.of(form), bad or BadDocuments(), compression, all_fields, seen or (lambda _: None))
    return READERS[name](reading)
