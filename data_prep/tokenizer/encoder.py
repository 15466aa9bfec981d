"""Token ids of many texts, by the fastest library that agrees with `tokenizers`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.tokenizer.backends import Reference
from data_prep.tokenizer.bulk import BulkEncoder

CHECKED = 4
"""Texts of the first call whose ids are compared with those of `tokenizers`."""


class Encoder:
    """A tokenizer folder. ``warn`` is told when a slower library must encode; the ids are the same."""

    def __init__(self, folder: str | Path, warn: Callable[[str], Any]):
        """Raises UserError where ``folder`` holds no tokenizer."""
        bulk = BulkEncoder(folder, 1, warn)
        self.warn, self.reference, self.backends = warn, Reference(bulk.reference), bulk.backends()
        self.backend, self.checked = next(self.backends), False

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids [tokens] (uint32) of each text, without special tokens."""
        texts = list(texts)
        while True:
            try:
                encoded = self.backend.encode(texts)
                self.checked = self.checked or self._right(texts, encoded)
                if self.checked:
                    return encoded
                reason = "gives other ids than tokenizers"
            except BaseException as error:  # a panic in Rust is no Exception
                if isinstance(self.backend, Reference) or isinstance(error, KeyboardInterrupt | SystemExit):
                    raise
                reason = f"fails ({error})"
            self.warn(f"warning: {self.backend.name} {reason}; the next library is slower")
            self.backend = next(self.backends)

    def _right(self, texts: list[str], encoded: list[np.ndarray]) -> bool:
        right = self.reference.encode(texts[:CHECKED])
        return all(np.array_equal(*pair) for pair in zip(encoded[:CHECKED], right, strict=True))
