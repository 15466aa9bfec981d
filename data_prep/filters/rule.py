"""What a rule is: named tests over a batch, in the order in which they reject."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from data_prep.records.record import Record
from data_prep.text.batch import Batch


@dataclass(frozen=True)
class Test:
    """One measure of a rule with its verdict."""

    name: str
    """``rule/reason``, such as gopher_quality/too_few_words: the reason under which rejected documents are counted."""
    values: np.ndarray
    """[n] the measure; where a bound is enough for the verdict, the bound."""
    rejected: np.ndarray
    """[n] bool."""
    limit: str
    """The condition that rejects, for people: ``words < 50``."""
    low: float = 0.0
    """Lower end of its histogram."""
    high: float = 1.0
    """Upper end of its histogram."""


class Rule(Protocol):
    """Judges the documents of a batch."""

    name: str

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Its tests, in order; the first that rejects a document is the reason. Of documents that are not ``alive`` [n]
        (rejected before) the values are not looked at, so an expensive rule need not compute them."""
