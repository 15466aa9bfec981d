"""Which tokens of its document a token sees."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from model.nets.pack import Pack

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Softmax attention of each document of one pack to itself: queries `[T, h, d]`, keys and values `[T, g, d]`, with g a
divisor of h and each of them serving h / g neighbouring heads of queries -> `[T, h, d]`."""


@dataclass(frozen=True)
class Window:
    """Token i sees i - left to i + right, both included; -1 means no bound. (-1, -1) is a whole document, (-1, 0) is
    causal."""

    left: int = -1
    """Tokens seen before."""
    right: int = -1
    """Tokens seen after."""

    @property
    def bounded(self) -> bool:
        """Bounded on both sides."""
        return self.left >= 0 and self.right >= 0

    def cuts_left(self, length: int) -> bool:
        """Whether it hides an earlier token from some token of a document of `length`."""
        return 0 <= self.left < length - 1

    def cuts_right(self, length: int) -> bool:
        """Whether it hides a later token from some token of a document of `length`."""
        return 0 <= self.right < length - 1

    def allows(self, distance: torch.Tensor) -> torch.Tensor:
        """Where a key so far behind (< 0) or ahead (> 0) of its query is seen: bool, of the shape of `distance`."""
        seen = torch.ones_like(distance, dtype=torch.bool)
        if self.left >= 0:
            seen &= distance >= -self.left
        if self.right >= 0:
            seen &= distance <= self.right
        return seen


class Prepare(Protocol):
    """What a backend prepares attention by, once a pack."""

    def __call__(self, pack: Pack, window: Window, dtype: torch.dtype, keys: Pack | None = None) -> Attend:
        """Attention over `pack`. With `keys`, each of its documents is the end of the document of `keys` at the same
        place, and attends to that within the window, which is open or looks back alone; keys and values are then
        `[tokens of keys, g, d]`."""
        ...
