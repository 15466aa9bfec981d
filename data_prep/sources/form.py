"""What a reader must know of a source: its fields, its encoding, and what it may not hold."""

import codecs
from dataclasses import dataclass
from functools import cached_property

from common.errors import UserError
from conf.schema.corpus import CorpusConfig, SourceConfig
from conf.schema.data import DataConfig

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
    max_bytes: int | None = None
    """A line or document with more bytes of UTF-8 is bad."""
    section: str = "data"
    """Section of the configuration that says so, for messages."""

    def __post_init__(self) -> None:
        try:
            "x".encode(self.encoding)
        except LookupError as error:
            raise UserError(f"{self.section}.encoding={self.encoding} is no encoding; write utf-8, cp1254, utf-16 ...") from error

    @classmethod
    def of(cls, config: "DataConfig | SourceConfig | Form") -> "Form":
        """The form that a section of the configuration describes. Text that goes straight to tokens keeps its NULs."""
        if isinstance(config, Form):
            return config
        if isinstance(config, SourceConfig):
            return cls(config.text_field, config.id_field, config.encoding, config.nul_bytes, section="corpus.sources")
        return cls(config.text_field, config.id_field)

    @classmethod
    def of_source(cls, name: str, source: SourceConfig, corpus: CorpusConfig) -> "Form":
        """Form of the source ``name`` of a corpus."""
        section = f"corpus.sources.{name}"
        return cls(source.text_field, source.id_field, source.encoding, source.nul_bytes, corpus.max_document_bytes or None, section)

    @cached_property
    def is_utf8(self) -> bool:
        """Whether the bytes are taken as they are."""
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig")

    @cached_property
    def keeps_newlines(self) -> bool:
        """Whether a newline is the one byte 10, and that byte nothing else: lines can then be found before they are decoded."""
        return self.is_utf8 or all(chr(code).encode(self.encoding) == bytes([code]) for code in range(1, 128))

    def decode(self, raw: bytes) -> str:
        """Text of a document or line. Raises WrongEncoding, which says what it is not.

        Code pages take nearly every byte for some letter. But that bytes beyond ASCII are valid UTF-8 by chance is next to
        impossible in one, so that tells a text whose encoding was declared wrongly."""
        name = codecs.lookup(self.encoding).name
        if name.startswith(CODE_PAGES) and not raw.isascii() and _is_utf8(raw):
            raise WrongEncoding("wrong_encoding", f"is UTF-8, not {self.encoding} (key {self.section}.encoding)", 0)
        try:
            return raw.decode(self.encoding)
        except UnicodeError as error:
            at = getattr(error, "start", 0)
            if self.is_utf8:
                raise WrongEncoding("not_utf8", "is not UTF-8", at) from error
            raise WrongEncoding("wrong_encoding", f"is not {self.encoding} (key {self.section}.encoding)", at) from error


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
