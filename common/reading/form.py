"""Form of a source, which a reader must know: its fields, its encoding, and what it may not hold."""

import codecs
from dataclasses import dataclass
from functools import cached_property

from common.errors import UserError

LIMIT = 50_000_000
"""Bytes that a document may have where nothing else is said."""
WHOLE = 20
"""So many times a document's limit may have what must be unpacked whole before a document can be taken out of it."""
CODE_PAGES = ("cp125", "iso8859")


class WrongEncoding(ValueError):
    """Bytes that are not what they were said to be."""

    def __init__(self, kind: str, fault: str, at: int):
        super().__init__(fault)
        self.kind, self.at = kind, at


@dataclass(frozen=True)
class Form:
    """Form of the records of a source. Raises UserError for an encoding that Python does not know."""

    text_field: str = "text"
    id_field: str = "id"
    encoding: str = "utf-8"
    """Encoding of .txt, .md, .html and .jsonl."""
    nul_bytes: str = "keep"
    """What a NUL in a text means: keep it, remove it, or the document is bad."""
    max_bytes: int | None = LIMIT
    """A line or document with more bytes of UTF-8 is bad; None for no limit."""
    section: str = "data"
    """Section of the configuration that says so, for messages; empty where none does."""
    limit_key: str = "data.max_document_bytes"
    """Key that says ``max_bytes``."""
    null_text: str = "bad"
    """What null in the column of texts of a .parquet means: the document is bad, or empty."""

    def __post_init__(self) -> None:
        try:
            "x".encode(self.encoding)
        except LookupError as error:
            raise UserError(
                f"{self.section}.encoding={self.encoding} is no encoding; write utf-8, cp1254, utf-16 ..."
            ) from error

    @property
    def whole_bytes(self) -> int | None:
        """Bytes that a page of a .parquet may have, or a .parquet or .pdf inside a .gz or .zst; None for no limit."""
        return self.max_bytes and WHOLE * self.max_bytes

    @property
    def text_key(self) -> str:
        """Key that the name of the text's field comes from, to go on after it in a message."""
        return f" (key {self.section}.text_field)" if self.section else ""

    @cached_property
    def is_utf8(self) -> bool:
        """Check whether the bytes are taken as they are."""
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig")

    @cached_property
    def keeps_newlines(self) -> bool:
        """Check whether a newline is the one byte 10, and that byte nothing else: lines can then be found before they
        are decoded."""
        return self.is_utf8 or all(chr(code).encode(self.encoding) == bytes([code]) for code in range(1, 128))

    def decode(self, raw: bytes) -> str:
        """Text of a document or line. Raises WrongEncoding, which says what it is not.

        Code pages take nearly every byte for some letter. But that bytes beyond ASCII are valid UTF-8 by chance is next
        to impossible in one, so that tells a text whose encoding was declared wrongly."""
        name = codecs.lookup(self.encoding).name
        if name.startswith(CODE_PAGES) and not raw.isascii() and _is_utf8(raw):
            raise WrongEncoding("wrong_encoding", f"is UTF-8, not {self.encoding} (key {self.section}.encoding)", 0)
        try:
            return raw.decode(self.encoding)
        except UnicodeError as error:
            at = getattr(error, "start", 0)
            if self.is_utf8:
                raise WrongEncoding("not_utf8", "is not UTF-8", at) from error
            raise WrongEncoding(
                "wrong_encoding", f"is not {self.encoding} (key {self.section}.encoding)", at
            ) from error


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
