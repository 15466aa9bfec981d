"""The prepared sources of a mixture: tokens folders of one tokenizer, whole or cut into strata by topic."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from common import manifest as manifests
from common.errors import UserError
from data_prep.mixture.order import key_of, permuted
from data_prep.tokens.indexed import BIN, IDX, Index, read_index
from data_prep.tokens.origins import Origins, open_origins
from data_prep.tokens.state import END

BLOCK = 1 << 17


@dataclass(frozen=True)
class Source:
    """A source of the mixture: one tokens folder."""

    name: str
    folder: Path
    manifest: dict[str, Any]
    index: Index

    @cached_property
    def ids(self) -> np.ndarray:
        """All its tokens, mapped; a plain view, whose slices cost less than those of a memmap."""
        return np.asarray(np.memmap(self.folder / BIN, self.index.dtype, "r"))

    @cached_property
    def origins(self) -> Origins | None:
        """Origins of its documents."""
        return open_origins(self.folder, self.manifest)

    @property
    def documents(self) -> int:
        """Number of its documents."""
        return len(self.index.lengths)

    @property
    def end_of_text(self) -> str | None:
        """The token that ends its documents; None where that is part of the template, or is not known."""
        return self.manifest.get(END)


@dataclass(frozen=True)
class Stratum:
    """Documents of one source (of one topic, where topics are capped), in an order that a seed decides for every pass
    over them."""

    source: Source
    seed: int
    topic: str = ""
    chosen: np.ndarray | None = field(default=None, repr=False)
    """Their numbers in the source, ascending; None for all of them."""

    @property
    def documents(self) -> int:
        """Number of its documents."""
        return self.source.documents if self.chosen is None else len(self.chosen)

    @cached_property
    def tokens(self) -> int:
        """Tokens of all its documents."""
        if self.chosen is None:
            return self.source.index.tokens
        parts = range(0, len(self.chosen), BLOCK)
        return sum(
            int(self.source.index.lengths[self.chosen[first : first + BLOCK]].sum(dtype=np.int64)) for first in parts
        )

    def block(self, position: int, end: int) -> tuple[np.ndarray, int]:
        """Documents [n] from ``position`` of the endless stream of its passes on, at most to ``end`` or the end of a
        pass; and the pass."""
        repeat, first = divmod(position, self.documents)
        last = min(first + min(end - position, BLOCK), self.documents)
        members = permuted(first, last, self.documents, key_of(self.seed, self.source.name, self.topic, repeat))
        return (members if self.chosen is None else self.chosen[members]), repeat


def open_sources(folders: dict[str, str], tokenizer: str) -> list[Source]:
    """The sources in their order. ``tokenizer`` is the digest of data.tokenizer's tokenizer.json.

    Raises UserError for a folder without prepared tokens, one that is empty or was made with another tokenizer or
    end-of-text token."""
    sources = [_open(name, Path(folder), tokenizer) for name, folder in folders.items()]
    ended = [source for source in sources if source.end_of_text]
    for source in ended:
        if source.end_of_text != ended[0].end_of_text:
            raise UserError(
                f"mixture.sources.{source.name}: documents of {source.folder} end with {source.end_of_text!r}, those of"
                f" {ended[0].folder} with {ended[0].end_of_text!r}; prepare all sources with the same"
                " tokenizer_config.json"
            )
    return sources


def _open(name: str, folder: Path, tokenizer: str) -> Source:
    key = f"mixture.sources.{name}"
    if not (folder / manifests.NAME).is_file():
        raise UserError(
            f"{key}: {folder} holds no prepared tokens (no {manifests.NAME}); run jobs.prepare with"
            f" data.tokens={folder} first"
        )
    manifest = manifests.read(folder)
    if manifest.get("kind") != "tokens" or "mixture" in manifest:
        raise UserError(f"{key}: {folder} is not what jobs.prepare made; name a folder with its tokens")
    if manifest["tokenizer"] != tokenizer:
        raise UserError(
            f"{key}: {folder} was tokenised with another tokenizer than data.tokenizer; prepare all sources with the"
            " same one"
        )
    for file in (BIN, IDX):
        if not (folder / file).is_file():
            raise UserError(f"{key}: {folder / file} is missing; run jobs.prepare again")
    index = read_index(folder / IDX)
    if not manifest["tokens"] or (len(index.lengths), index.tokens) != (manifest["documents"], manifest["tokens"]):
        raise UserError(
            f"{key}: {folder} has {len(index.lengths)} documents with {index.tokens} tokens, its manifest says"
            f" {manifest['documents']} with {manifest['tokens']}; "
            + ("take it out" if not manifest["tokens"] else "run jobs.prepare again")
        )
    return Source(name, folder, manifest, index)
