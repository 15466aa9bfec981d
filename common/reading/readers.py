"""Documents out of text, JSON lines and parquet, plain or packed, streaming and in order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.reading.bad import BadDocuments
from common.reading.document import Document, Span
from common.reading.form import Form
from common.reading.formats import kind_of
from common.reading.jsonl import read_jsonl
from common.reading.parquet import read_parquet
from common.reading.plain import read_text
from common.reading.reading import Reading

Reader = Callable[[Reading], Iterator[Document]]
READERS: dict[str, Reader] = {"text": read_text, "jsonl": read_jsonl, "parquet": read_parquet}


def opened(
    source: Path | Span,
    form: Form,
    bad: BadDocuments | None = None,
    fields: Sequence[str] | None = None,
    seen: Callable[[int], Any] | None = None,
) -> Reading:
    """A file or span, ready to be read; see `read_documents`."""
    span = source if isinstance(source, Span) else Span(source)
    _, compression = kind_of(span.path) or ("", "")
    return Reading(span, form, bad or BadDocuments(section=""), compression, fields, seen or (lambda _: None))


def read_documents(
    source: Path | Span,
    form: Form,
    bad: BadDocuments | None = None,
    fields: Sequence[str] | None = None,
    seen: Callable[[int], Any] | None = None,
    readers: Mapping[str, Reader] = READERS,
) -> Iterator[Document]:
    """Documents of one file or span, in order; a .txt or .md is one document, blank lines of a .jsonl are none.

    ``bad`` is told of what cannot be read (default: error), each document once. ``fields`` are the keys that are wanted
    beside text and id, None for all: other columns of a .parquet are not read, whatever they hold. ``seen`` is told the
    bytes taken from the disk. A UTF-8 byte order mark at the beginning of a file is dropped. ``readers``: by format; a
    file of another one is read as text. Raises UserError for an unreadable file, a .parquet without the text column,
    and as ``bad`` says."""
    reading = opened(source, form, bad, fields, seen)
    name, _ = kind_of(reading.span.path) or ("text", "")
    return readers[name](reading)
