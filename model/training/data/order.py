"""The data order over packed tokens: which pieces of which documents make up sample i, fixed before the first step.

Best fit depends on what was packed before, so packs are planned once over all documents and written as an index. Sample
i is then a look-up: pack order[i mod n] of epoch i div n, where the order of an epoch is decided by seed and epoch
alone. Any rank on any machine finds the same samples, in any order, without having read those before."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from common.errors import UserError
from common.files import digest_of
from model.training.data.packing import Packs, pack
from model.training.data.sample import Sample
from model.training.data.shuffle import mix, permutation
from model.training.data.source import DataOrder
from model.training.data.tokens import Tokens

FORMAT = 1
HELD_OUT, TIES = 1, 3  # salts: what a hash is for (2 is the order of an epoch)


@dataclass
class PackedOrder(DataOrder):
    """Packs of documents, best fit. `train` is repeated in a new order every epoch, `validation` is never trained
    on."""

    tokens: Tokens
    seed: int
    seq_length: int
    digest: str
    train: Packs
    validation: Packs
    index: Path | None = None

    @property
    def folder(self) -> Path:
        """That of the tokens."""
        return self.tokens.folder

    @property
    def sources(self) -> tuple[str, ...]:
        """Those of a mixture."""
        return self.tokens.sources if self.tokens.owners is not None else ()

    @property
    def vocab_size(self) -> int:
        """Tokens of the tokenizer."""
        return self.tokens.manifest["vocab_size"]

    @property
    def validation_items(self) -> int:
        """Packs that are held out."""
        return len(self.validation)

    @property
    def fill(self) -> float:
        """Share of the capacity of the packs that holds tokens."""
        return self.train.tokens / (len(self.train) * self.seq_length)

    @property
    def epoch_tokens(self) -> int:
        """Tokens of all packs."""
        return self.train.tokens

    def describe(self) -> str:
        """See `DataOrder`."""
        packs = f"{len(self):,} packs of {self.seq_length} ({self.fill:.1%} full)"
        return f"{self.epoch_tokens:,} tokens in {packs}, {self.folder}"

    def describe_validation(self) -> str:
        """See `DataOrder`."""
        return f"{self.validation.tokens:,} tokens in {len(self.validation):,} packs"

    @cached_property
    def pack_tokens(self) -> np.ndarray:
        """Tokens of each pack [packs]."""
        return np.add.reduceat(self.train.lengths, self.train.offsets[:-1], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.train)

    def sample(self, item: int, index: int) -> Sample:
        """Pack ``item``."""
        return self._read(self.train, item, index)

    def validation_sample(self, item: int) -> Sample:
        """Pack ``item`` of those that are held out."""
        return self._read(self.validation, item, item)

    def count_tokens(self, first: int, count: int) -> int:
        """See `DataOrder`."""
        return int(self.pack_tokens[self.items(first, count)].sum())

    def source_tokens(self, items: np.ndarray) -> dict[str, int]:
        """See `DataOrder`."""
        if self.tokens.owners is None:
            return {self.tokens.sources[0]: int(self.pack_tokens[items].sum())}
        pieces = self._pieces(items)
        owners = self.tokens.sources_at(self.train.starts[pieces])
        counts = np.bincount(owners, self.train.lengths[pieces], len(self.tokens.sources))
        return {name: int(tokens) for name, tokens in zip(self.tokens.sources, counts, strict=True) if tokens}

    def sequence_lengths(self, items: np.ndarray) -> np.ndarray:
        """Tokens of each document (or piece of one) of the packs ``items`` [pieces]."""
        return self.train.lengths[self._pieces(items)]

    def token_counts(self, vocab_size: int) -> np.ndarray:
        """See `DataOrder`; of all documents, those that are held out too."""
        return self.tokens.counts(vocab_size)

    def _pieces(self, packs: np.ndarray) -> np.ndarray:
        """Numbers of the pieces of ``packs``, in their order [pieces]."""
        begins, ends = self.train.offsets[packs], self.train.offsets[packs + 1]
        sizes = ends - begins
        return np.repeat(begins, sizes) + np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)

    def _read(self, packs: Packs, number: int, index: int) -> Sample:
        pieces = slice(int(packs.offsets[number]), int(packs.offsets[number + 1]))
        spans = zip(packs.starts[pieces].tolist(), packs.lengths[pieces].tolist(), strict=True)
        documents = [self.tokens.ids[start : start + length].astype(np.int64) for start, length in spans]
        return Sample(index, documents, self.tokens.sources_at(packs.starts[pieces]).tolist())


def is_validation(documents: int, fraction: float) -> np.ndarray:
    """Which of ``documents`` are held out [documents] (bool): by a hash of the index, whatever the seed; at least one
    if any."""
    hashes = mix(np.arange(documents), HELD_OUT)
    chosen = hashes < np.uint64(min(int(fraction * 2.0**64), 2**64 - 1))
    if fraction > 0 and documents > 1 and not chosen.any():
        chosen[np.argmin(hashes)] = True
    return chosen


def digest_packs(
    tokens: Tokens, seq_length: int, validation_fraction: float, seed: int, train: Packs, validation: Packs
) -> str:
    """Digest of everything that decides what sample i is: the bytes of the tokens, the packs, the seed of their
    order."""
    hasher = hashlib.sha256()
    hasher.update(digest_of([FORMAT, tokens.digests, seq_length, validation_fraction, seed]).encode())
    for packs in (train, validation):
        for array in (packs.starts, packs.lengths, packs.offsets):
            hasher.update(np.ascontiguousarray(array).data)
    return hasher.hexdigest()


def make_plan(tokens: Tokens, seq_length: int, validation_fraction: float, seed: int) -> PackedOrder:
    """Pack the documents of ``tokens``. Raises UserError when none is left to train on."""
    validation = is_validation(len(tokens.lengths), validation_fraction)
    # Documents of one length are packed in this order, not file by file.
    order = permutation(len(tokens.lengths), TIES, seed)
    train, held = (
        pack(tokens.starts[members], tokens.lengths[members], seq_length)
        for members in (order[~validation[order]], np.flatnonzero(validation))
    )
    if not len(train):
        raise UserError(
            f"{tokens.folder} holds no document to train on; lower train.validation_fraction={validation_fraction} or"
            " add"
            " text"
        )
    held = _shuffled(held)
    return PackedOrder(
        tokens, seed, seq_length, digest_packs(tokens, seq_length, validation_fraction, seed, train, held), train, held
    )


def make_validation(tokens: Tokens, seq_length: int) -> PackedOrder:
    """All documents of ``tokens`` as held-out packs, in an order that no seed changes; none to train on."""
    none, held = (
        pack(tokens.starts[:0], tokens.lengths[:0], seq_length),
        pack(tokens.starts, tokens.lengths, seq_length),
    )
    if not len(held):
        raise UserError(f"{tokens.folder} in data.validation holds no document; give jobs.prepare documents with text")
    held = _shuffled(held)
    return PackedOrder(tokens, 0, seq_length, digest_packs(tokens, seq_length, 1.0, 0, none, held), none, held)


def _shuffled(packs: Packs) -> Packs:
    """The same packs in a fixed random order."""
    order = permutation(len(packs), HELD_OUT)
    counts = np.diff(packs.offsets)[order]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    pieces = (
        np.repeat(packs.offsets[:-1][order], counts) + np.arange(len(packs.starts)) - np.repeat(offsets[:-1], counts)
    )
    return Packs(packs.starts[pieces], packs.lengths[pieces], offsets)
