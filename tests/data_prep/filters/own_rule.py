"""A rule of one file, as somebody would add it: a class with its typed settings; one line in the registry names it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from conf.schema.ranges import Share
from data_prep.filters.measures.shares import share
from data_prep.filters.rule import Rule, Test
from data_prep.records.record import Record
from data_prep.text.batch import Batch


@dataclass
class VowelSettings:
    """Rule vowels: text that no voice could read."""

    min_share: Share = 0.3
    """Share of characters that are vowels, at least."""


class Vowels(Rule):
    """Rejects texts with too few vowels."""

    name, version = "vowels", 1
    Settings = VowelSettings

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield one test."""
        vowels = share(batch.count(batch.is_any("aeiouAEIOU")), batch.sizes)
        least = self.settings.min_share
        yield Test("vowels/too_few", vowels, vowels < least, f"share of vowels < {least}")
