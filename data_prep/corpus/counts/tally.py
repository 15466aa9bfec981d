"""Exact counts of what every step took in, let out and dropped, with samples and histograms."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash

from data_prep.filters.rule import Test
from data_prep.records.record import Record

BINS = 40
SHOWN = 400
"""Characters of a sample."""
MEASURES = ("documents", "characters", "bytes", "words", "tokens")


@dataclass
class Step:
    """Counts of one step."""

    name: str
    sums: Counter[str] = field(default_factory=Counter)
    """``<measure>_in`` and ``<measure>_out``."""
    uncounted: set[str] = field(default_factory=set)
    """Measures that somebody could not give."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Documents dropped, by reason."""
    changed: int = 0
    """Documents changed."""
    changed_by: Counter[str] = field(default_factory=Counter)
    """The same by the part of the step that changed them; one may be changed by several."""

    def change(self, parts: Iterable[str]) -> None:
        """Count a document that ``parts`` of the step changed, none of them where it is as it was."""
        parts = list(parts)
        self.changed += bool(parts)
        self.changed_by.update(parts)

    def flow(self, side: str, sums: dict[str, int | None]) -> None:
        """Add what came ``in`` or went ``out``."""
        for name, value in sums.items():
            if value is None:
                self.uncounted.add(name)
            else:
                self.sums[f"{name}_{side}"] += value

    def fields(self) -> dict[str, Any]:
        """Return the counts as JSON; a measure that was not counted is null."""
        keys = [f"{name}_{side}" for name in MEASURES for side in ("in", "out")]
        counted = {key: None if key.rpartition("_")[0] in self.uncounted else self.sums[key] for key in keys}
        changed = {"changed": self.changed, "changed_by": dict(self.changed_by)}
        return {"step": self.name, **counted, "dropped": dict(sorted(self.dropped.items())), **changed}


class Tally:
    """The steps of one unit of work in the order in which they were first met."""

    def __init__(self, samples: int):
        self.samples_kept = samples
        self.steps: dict[str, Step] = {}
        self.samples: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.values: dict[str, list[np.ndarray]] = {}
        self.ranges: dict[str, tuple[float, float, str]] = {}

    def step(self, name: str) -> Step:
        """The counts of a step."""
        return self.steps.setdefault(name, Step(name))

    def measure(self, test: Test, alive: np.ndarray) -> None:
        """Keep the values of a test for its histogram."""
        self.ranges[test.name] = (test.low, test.high, test.limit)
        self.values.setdefault(test.name, []).append(np.asarray(test.values, np.float32)[alive])

    def sample(self, reason: str, record: Record, value: float | None = None, limit: str = "") -> None:
        """Offer a dropped document as a sample; those with the smallest hashes of their ids stay, so that shards do not
        matter."""
        kept = self.samples.setdefault(reason, [])
        key = xxhash.xxh3_64_intdigest(f"{record.source} {record.id}".encode("utf-8", "replace"))
        if len(kept) < self.samples_kept or key < kept[-1][0]:
            shown = {
                "id": record.id,
                "file": record.file,
                "line": record.line,
                "value": value,
                "limit": limit,
                "text": record.text[:SHOWN],
            }
            kept.append((key, shown))
            kept.sort(key=lambda entry: entry[0])
            del kept[self.samples_kept :]

    def fields(self) -> dict[str, Any]:
        """Steps, samples and histograms as JSON."""
        return {
            "steps": [step.fields() for step in self.steps.values()],
            "samples": {
                reason: [{"key": key, **shown} for key, shown in kept] for reason, kept in self.samples.items()
            },
            "histograms": {name: self._histogram(name) for name in self.values},
        }

    def _histogram(self, name: str) -> dict[str, Any]:
        low, high, limit = self.ranges[name]
        values = np.clip(np.concatenate(self.values[name]), low, high)
        counts, _ = np.histogram(values[np.isfinite(values)], BINS, (low, high))
        return {"low": low, "high": high, "limit": limit, "counts": counts.tolist()}
