"""Encode many documents fast, and prove on a sample that the fast way is right."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from common.errors import UserError
from common.tokenizer import DocumentTokenizer
from data_prep.sources.readers import Document
from data_prep.tokenizer.backends import Gigatoken, Reference, Refused, Tiktoken, load_reference, vocabulary_size

BATCH_CHARACTERS = 1 << 20
BATCH_DOCUMENTS = 4096


class Backend(Protocol):
    """Library that encodes."""

    name: str

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        """Ids of each text, without special tokens."""


class Differs(Exception):
    """A backend gave other ids than the reference, or failed; the message says where."""


class BulkEncoder:
    """A tokenizer folder with its backends: gigatoken, else tiktoken, else `tokenizers`.

    ``warn`` is told of every backend that is passed over, since the next one is many times slower."""

    def __init__(self, folder: str | Path, check_every: int, warn: Callable[[str], None]):
        self.reference = load_reference(folder)
        self.check_every, self.warn = check_every, warn
        self.loaded: dict[type, Backend | None] = {}

    def backends(self) -> Iterator[Backend]:
        """The backends that can serve this tokenizer, fastest first; each is made when its turn comes. The last is the
        reference."""
        for kind in (Gigatoken, Tiktoken, Reference):
            if kind not in self.loaded:
                try:
                    self.loaded[kind] = kind(self.reference)
                except Refused as error:
                    self.loaded[kind] = None
                    self.warn(f"warning: {kind.name} does not serve this tokenizer: {error}; the next one is slower")
            if self.loaded[kind]:
                yield self.loaded[kind]

    def encode(self, backend: Backend, documents: Iterable[Document]) -> Iterator[list[np.ndarray]]:
        """Ids ``[tokens]`` (uint32) of each document, without special tokens, many documents at a time.

        Raises Differs where a checked document (the first, and every ``check_every``-th from there) gets other ids from
        the reference."""
        number = 0
        for batch in _batches(documents):
            try:
                encoded = backend.encode([document.text for document in batch])
            except (
                BaseException
            ) as error:  # a panic in Rust (tiktoken's, on a megabyte without a break) is no Exception
                if isinstance(backend, Reference) or isinstance(error, KeyboardInterrupt | SystemExit):
                    raise
                raise Differs(
                    f"{backend.name} fails on a document between {batch[0].id} and {batch[-1].id} ({error})"
                ) from error
            if not isinstance(backend, Reference):
                for index in range(-number % self.check_every, len(batch), self.check_every):
                    self._check(backend, batch[index], encoded[index])
            number += len(batch)
            yield encoded

    def _check(self, backend: Backend, document: Document, ids: np.ndarray) -> None:
        (right,) = Reference(self.reference).encode([document.text])
        if not np.array_equal(ids, right):
            raise Differs(f"{backend.name} gives other ids than tokenizers for {document.id}")


def identity(folder: str | Path, add_special_tokens: bool) -> tuple[int, list[int], list[int]]:
    """Size of the vocabulary, ids before and ids after every document. Raises UserError when special tokens are asked
    of a tokenizer that has none to give."""
    tokenizer = load_reference(folder)
    if not add_special_tokens:
        return vocabulary_size(tokenizer), [], []
    around = DocumentTokenizer.of(tokenizer, Path(folder))
    if not around.before and not around.end:
        raise UserError(
            f"data.tokenizer={folder} has no template and no end-of-text token; set prepare.add_special_tokens=false"
        )
    return vocabulary_size(tokenizer), around.before, around.end


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if size >= BATCH_CHARACTERS or len(batch) >= BATCH_DOCUMENTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
