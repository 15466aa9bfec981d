"""Sizes of documents, in every unit that the funnel counts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from data_prep.text.batch import Batch
from data_prep.tokenizer.encoder import Encoder

COLUMNS = ("characters", "bytes", "words", "tokens")
UNCOUNTED = -1


class Sizes:
    """Characters, bytes of UTF-8, words and tokens [n, 4] (int64) of documents; tokens are -1 where nobody counts
    them."""

    def __init__(self, values: np.ndarray):
        self.values = values

    @property
    def words(self) -> np.ndarray:
        """[n] words."""
        return self.values[:, COLUMNS.index("words")]

    def sums(self, mask: np.ndarray) -> dict[str, int | None]:
        """Sum of each measure over a mask [n], with the number of documents; None for what is not counted."""
        chosen = self.values[mask]
        counted = {
            name: None if (chosen[:, place] < 0).any() else int(chosen[:, place].sum())
            for place, name in enumerate(COLUMNS)
        }
        return {"documents": len(chosen), **counted}


class Sizer:
    """Measures documents. ``tokenizer``: folder of the tokenizer whose tokens are counted; ``casing`` of the
    language."""

    def __init__(self, casing: Mapping[str, str], tokenizer: str | None, say: Callable[[str], Any]):
        self.casing, self.encoder = casing, Encoder(tokenizer, say) if tokenizer else None

    def measure(self, batch: Batch) -> Sizes:
        """Sizes of the documents of a batch."""
        tokens = np.full(len(batch), UNCOUNTED, np.int64)
        if self.encoder and len(batch):
            tokens[:] = [len(ids) for ids in self.encoder.encode(batch.texts)]
        return Sizes(np.stack([batch.sizes, utf8_sizes(batch), batch.words.counts, tokens], axis=1))

    def again(self, sizes: Sizes, texts: Mapping[int, str]) -> Sizes:
        """``sizes`` where some documents have new ``texts``."""
        if not texts:
            return sizes
        values = sizes.values.copy()
        values[list(texts)] = self.measure(Batch(list(texts.values()), self.casing)).values
        return Sizes(values)


def utf8_sizes(batch: Batch) -> np.ndarray:
    """[n] bytes of each text in UTF-8."""
    codes = batch.codes
    return batch.sizes + batch.count(codes > 0x7F) + batch.count(codes > 0x7FF) + batch.count(codes > 0xFFFF)


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """[n, 4] of parts of it."""
    return np.concatenate([np.empty((0, len(COLUMNS)), np.int64), *parts])
