"""What every reader does alike: take bytes, hand out a document or say why it is bad."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from data_prep.sources.bad import BadDocuments
from data_prep.sources.document import Document, Span
from data_prep.sources.form import Form
from data_prep.sources.streams import Broken, TooLong, blocks, whole

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Reading:
    """A file or span that is being read."""

    span: Span
    form: Form
    bad: BadDocuments
    compression: str
    all_fields: bool
    """Whether more than text and id is wanted."""
    seen: Callable[[int], Any]
    """Is told the bytes taken from the disk."""

    def blocks(self) -> Iterator[bytes]:
        """The bytes, unpacked."""
        return blocks(self.span.path, self.compression, self.span.start, self.span.end, self.seen)

    def whole(self, limit: int | None) -> bytes | None:
        """All bytes; None where the file is broken or has more than ``limit``, which is counted."""
        try:
            return whole(self.blocks(), limit)
        except Broken as error:
            self.bad.add("broken_file", str(self.span.path), str(error))
        except TooLong:
            self.add_too_long(1)
        return None

    def place(self, row: int, unit: str) -> str:
        """Name of the ``row``-th document, for people; ``unit`` is line or row, or empty where the file is one document."""
        return self.span.place(row, unit) if unit else str(self.span.path)

    def add_too_long(self, row: int, unit: str = "") -> None:
        """Count a document that is longer than allowed."""
        self.bad.add("too_long", self.place(row, unit), f"has more than corpus.max_document_bytes={self.form.max_bytes} bytes")

    def document(self, text: str, row: int = 1, fields: dict[str, Any] | None = None, unit: str = "") -> Iterator[Document]:
        """The document, unless its text may not be so."""
        if "\0" in text and self.form.nul_bytes != "keep":
            if self.form.nul_bytes == "bad":
                key = f"{self.form.section}.nul_bytes=remove"
                self.bad.add("nul_bytes", self.place(row, unit), f"has NUL characters, so it may be no text at all ({key} takes them out)")
                return
            text = text.replace("\0", "")
        yield Document(text, self.span, row, fields or {}, self.form.id_field)
