"""What an objective reads: a kind of prepared data (`DataSource`), and the planned order of its samples
(`DataOrder`)."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

from common.errors import UserError
from conf.schema import Config
from model.training.data.shuffle import epoch_order
from model.training.timeline.phase import Phase


class DataOrder(ABC):
    """The samples of one phase. Sample i is a look-up, item order[i mod n] of epoch i div n, where the order of an
    epoch is decided by seed and epoch alone: any rank on any machine finds the same samples, without having read those
    before."""

    folder: Path
    """Where the data lie; what people are told."""
    digest: str
    """Digest of everything that decides what sample i is; a resume refuses another one."""
    seed: int
    """Of the order of the items in each epoch."""
    sources: tuple[str, ...] = ()
    """Names of the sources that a sample tells, where there are several."""
    index: Path | None = None
    """Folder of the index that was planned, where there is one."""
    vocab_size: int | None = None
    """Tokens of the tokenizer that the data were made with, where they tell."""
    validation_items: int = 0
    """Items that are held out of training."""

    @abstractmethod
    def __len__(self) -> int:
        """Items of one epoch."""

    @abstractmethod
    def sample(self, item: int, index: int) -> Any:
        """``item`` as sample ``index`` of the phase."""

    def validation_sample(self, item: int) -> Any:
        """One of the items that are held out; they are in a fixed random order, so the first ones are a fair sample."""
        raise IndexError(f"{self.folder} holds nothing out")

    @abstractmethod
    def sequence_lengths(self, items: np.ndarray) -> np.ndarray:
        """Tokens of each sequence (a document, a piece of one, a side of a pair) of ``items`` [n], in their order."""

    def source_tokens(self, items: np.ndarray) -> dict[str, int]:
        """Tokens of ``items`` [n] by source; a source without any is left out."""
        return {str(self.folder): int(self.sequence_lengths(items).sum(dtype=np.int64))}

    @property
    def epoch_tokens(self) -> int:
        """Tokens of all items."""
        return int(self.sequence_lengths(np.arange(len(self))).sum(dtype=np.int64))

    def describe(self) -> str:
        """For people: how much there is, and where."""
        return f"{self.epoch_tokens:,} tokens in {len(self):,} samples, {self.folder}"

    def describe_validation(self) -> str:
        """For people: how much is held out."""
        return f"{self.validation_items:,} samples"

    def token_counts(self, vocab_size: int) -> np.ndarray:
        """How often each token occurs [vocab_size]. Raises UserError where the data do not tell."""
        raise UserError(
            f"model.decoder_bias_init=log_unigram counts the tokens of {self.folder}, which are not counted; set zeros"
        )

    def items(self, first: int, count: int) -> np.ndarray:
        """The items that samples ``first`` to ``first + count - 1`` are [count]; an epoch's end may lie between."""
        parts = []
        while count:
            epoch, position = divmod(first, len(self))
            parts.append(self._order(epoch)[position : position + count])
            first, count = first + len(parts[-1]), count - len(parts[-1])
        return np.concatenate(parts)

    def samples(self, first: int, count: int) -> list[Any]:
        """Samples ``first`` to ``first + count - 1`` of the phase; after an epoch the items come in another order."""
        return [self.sample(int(item), first + i) for i, item in enumerate(self.items(first, count))]

    def count_sources(self, first: int, count: int) -> dict[str, int]:
        """Tokens of those samples by source."""
        return self.source_tokens(self.items(first, count))

    def count_tokens(self, first: int, count: int) -> int:
        """Tokens of those samples."""
        return int(self.sequence_lengths(self.items(first, count)).sum(dtype=np.int64))

    def lengths(self, first: int, count: int) -> np.ndarray:
        """Tokens of each sequence of those samples."""
        return self.sequence_lengths(self.items(first, count))

    def _order(self, epoch: int) -> np.ndarray:
        """Order of the items in ``epoch`` [items]. The last two are kept: a reader ahead may have begun the next
        epoch."""
        orders: dict[int, np.ndarray] = self.__dict__.setdefault("_orders", {})
        if epoch not in orders:
            self.__dict__["_orders"] = orders = {
                epoch: epoch_order(len(self), self.seed, epoch),
                **dict(list(orders.items())[:1]),
            }
        return orders[epoch]


class DataSource(ABC):
    """Prepared data of one kind, opened for one phase and checked, before they are planned."""

    folder: Path
    digests: dict[str, str]
    """File -> sha256 of all that is read; a run refuses to go on with others."""

    @classmethod
    @abstractmethod
    def open(cls, config: Config, phase: Phase, index: Path) -> Self:
        """The data of ``phase``, whose index is or will be in ``index``. Raises UserError where they do not fit."""

    @abstractmethod
    def plan(self, config: Config, phase: Phase, index: Path, drafts: ExitStack | None) -> DataOrder:
        """The order of the samples of ``phase``: the one in ``index``, or one that is made now and, given ``drafts``,
        written aside, where `DataOrder.index` says, to be put in place when they close."""

    @classmethod
    def validation(cls, config: Config) -> dict[str, DataOrder]:
        """Name -> data that training never reads, of which the loss is measured; none: what the order of the run holds
        out."""
        return {}
