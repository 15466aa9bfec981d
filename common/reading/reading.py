"""Reading, as every reader does it alike: take bytes, hand out a document or say why it is bad."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from common.reading.bad import BadDocuments
from common.reading.document import Document, Span
from common.reading.form import WHOLE, Form
from common.reading.streams import Broken, TooLong, blocks, whole

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Reading:
    """A file or span that is being read."""

    span: Span
    form: Form
    bad: BadDocuments
    compression: str
    fields: Sequence[str] | None
    """What is wanted of a record beside text and id; None for all."""
    seen: Callable[[int], Any]
    """Is told the bytes taken from the disk."""

    def blocks(self) -> Iterator[bytes]:
        """The bytes, unpacked."""
        return blocks(self.span.path, self.compression, self.span.start, self.span.end, self.seen)

    def whole(self) -> bytes | None:
        """All bytes of a file that is one document; None where it is broken or longer than allowed, which is
        counted."""
        return self._all(self.form.max_bytes, lambda: self.add_too_long(1))

    def unpacked(self) -> bytes | None:
        """All bytes of a packed file that is read from everywhere; None where it is broken or too large, which is
        counted."""
        return self._all(self.form.whole_bytes, lambda: self.add_too_large(str(self.span.path)))

    def _all(self, limit: int | None, add_too_many: Callable[[], None]) -> bytes | None:
        try:
            return whole(self.blocks(), limit)
        except Broken as error:
            self.bad.add("broken_file", str(self.span.path), str(error))
        except TooLong:
            add_too_many()
        return None

    def place(self, row: int, unit: str) -> str:
        """Name of the ``row``-th document, for people; ``unit`` is line or row, or empty where the file is one
        document."""
        return self.span.place(row, unit) if unit else str(self.span.path)

    def add_too_long(self, row: int, unit: str = "") -> None:
        """Count a document that is longer than allowed."""
        self.bad.add(
            "too_long", self.place(row, unit), f"has more than {self.form.limit_key}={self.form.max_bytes} bytes"
        )

    def add_too_large(self, place: str) -> None:
        """Count what must be unpacked whole and is too large for that as one document."""
        form = self.form
        fault = (
            f"unpacks to pieces of more than {form.whole_bytes} bytes, {WHOLE} times {form.limit_key}={form.max_bytes}"
        )
        self.bad.add("too_long", place, fault)

    def wanted(self, names: Iterable[str], texts: Sequence[str]) -> list[str]:
        """Choose those of the columns ``names`` that are read: ``texts``, the id, and what else is wanted. The others
        may hold what they like."""
        return [name for name in names if self.fields is None or name in (*texts, self.form.id_field, *self.fields)]

    def record(self, record: dict[str, Any], row: int, unit: str) -> Iterator[Document]:
        """The document of a record, unless it has no text or may not be so."""
        text = record.pop(self.form.text_field, None)
        if text is None and unit == "row" and self.form.null_text == "empty":
            text = ""
        if isinstance(text, str):
            yield from self.document(text, row, record, unit)
            return
        what = "column" if unit == "row" else "field"
        self.bad.add(
            "no_text",
            self.place(row, unit),
            f"has no string in the {what} '{self.form.text_field}'{self.form.text_key}",
        )

    def document(
        self, text: str, row: int = 1, fields: dict[str, Any] | None = None, unit: str = ""
    ) -> Iterator[Document]:
        """The document, unless its text may not be so."""
        if "\0" in text and self.form.nul_bytes != "keep":
            if self.form.nul_bytes == "bad":
                key = f"{self.form.section}.nul_bytes=remove"
                self.bad.add(
                    "nul_bytes",
                    self.place(row, unit),
                    f"has NUL characters, so it may be no text at all ({key} takes them out)",
                )
                return
            text = text.replace("\0", "")
        yield Document(text, self.span, row, fields or {}, self.form.id_field)
