"""The unit of training data."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One pack of the planned data order."""

    index: int
    """Its place in that order; whatever is drawn at random for it depends on this, never on a rank."""
    documents: list[np.ndarray]
    """Token ids of its documents, one-dimensional."""
    sources: list[int] = field(default_factory=list)
    """Number of the source of each document, where losses are told by source."""
