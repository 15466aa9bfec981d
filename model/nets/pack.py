"""A pack: documents end to end, without padding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F


@dataclass
class Pack:
    """Documents laid end to end. Positions restart in each, and attention never crosses from one to another."""

    tokens: torch.Tensor
    """Token ids, `[T]` int64."""
    cu_seqlens: torch.Tensor
    """Where each document starts, and the end of the last: `[n + 1]` int32."""
    lengths: list[int]
    """Tokens of each document; kept in Python too, so that no kernel is waited for to learn a shape."""

    @classmethod
    def from_documents(cls, documents: Sequence[np.ndarray]) -> "Pack":
        """Pack `documents`, each a one-dimensional array of token ids, in order."""
        lengths = [len(document) for document in documents]
        cu_seqlens = np.cumsum([0, *lengths], dtype=np.int32)
        tokens = np.concatenate(documents).astype(np.int64, copy=False)
        return cls(torch.from_numpy(tokens), torch.from_numpy(cu_seqlens), lengths)

    @property
    def device(self) -> torch.device:
        """Where the tokens are."""
        return self.tokens.device

    def to(self, device: torch.device | str) -> "Pack":
        """The same pack on `device`."""
        return replace(
            self,
            tokens=self.tokens.to(device, non_blocking=True),
            cu_seqlens=self.cu_seqlens.to(device, non_blocking=True),
        )

    def fill_to(self, multiple: int) -> "Pack":
        """The same documents and, where their tokens are no multiple of `multiple`, one more of zeros that makes them
        so."""
        missing = -len(self.tokens) % multiple
        if not missing:
            return self
        end = self.cu_seqlens[-1:] + missing
        return Pack(F.pad(self.tokens, (0, missing)), torch.cat((self.cu_seqlens, end)), [*self.lengths, missing])

    def positions(self) -> torch.Tensor:
        """Place of each token in its document, `[T]` int64."""
        return torch.arange(len(self.tokens), device=self.device) - self._spread(self.cu_seqlens[:-1])

    def document_ids(self) -> torch.Tensor:
        """Number of the document of each token, `[T]` int64."""
        return self._spread(torch.arange(len(self.lengths), device=self.device))

    def _spread(self, values: torch.Tensor) -> torch.Tensor:
        """One value a document `[n]` -> one a token `[T]`."""
        lengths = torch.tensor(self.lengths, device=self.device)
        return values.repeat_interleave(lengths, output_size=len(self.tokens))
