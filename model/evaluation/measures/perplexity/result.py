"""Results of perplexity: per token, per character (so that tokenizers compare) and as bits per byte."""

from typing import Any

import numpy as np

from model.evaluation.interface.store import Result
from model.evaluation.statistics.bootstrap import Interval, resampled_means

UNITS = ("token", "character", "byte")
"""What a perplexity is taken per; per byte it is told in bits."""


class Perplexity(Result):
    """Likelihood of every text under the net of one checkpoint."""

    @property
    def totals(self) -> dict[str, dict[str, Any]]:
        """Name of a text -> role, nll (nats), documents, and the counts in `UNITS`, over all its documents."""
        return self.document["texts"]

    @property
    def roles(self) -> dict[str, str]:
        """Name of a text -> domain or general."""
        return {name: text["role"] for name, text in self.totals.items()}

    def value(self, name: str, unit: str) -> float:
        """exp(nll / tokens), exp(nll / characters), or nll / bytes in bits."""
        return told(self.totals[name]["nll"] / self.totals[name][unit], unit)

    def per_document(self, name: str) -> dict[str, np.ndarray]:
        """nll and the counts in `UNITS` of every document [D]."""
        parts = ("nll", *UNITS)
        return dict(zip(parts, self.arrays(*(f"{name}/{part}" for part in parts)), strict=True))

    def interval(self, name: str, unit: str, resamples: int, seed: int = 0) -> Interval | None:
        """`value` with its 95% interval over documents; None without a bootstrap."""
        if not resamples:
            return None
        documents = self.per_document(name)
        draws = told(_ratios(documents["nll"], documents[unit], resamples, seed), unit)
        low, high = np.percentile(draws, [2.5, 97.5])
        return Interval(self.value(name, unit), float(low), float(high))


def told(nats: Any, unit: str) -> Any:
    """Nats per ``unit`` as a perplexity, or in bits per byte."""
    return nats / np.log(2) if unit == "byte" else np.exp(nats)


def log_changes(
    result: Perplexity, first: Perplexity, name: str, unit: str, resamples: int, seed: int = 0
) -> tuple[float, np.ndarray]:
    """How much the log perplexity of a text differs from that of ``first``, measured on the same documents: the
    difference, and those of ``resamples`` draws of documents [R], the same draws for both."""
    here, there = result.per_document(name), first.per_document(name)
    less = here["nll"] - there["nll"]
    draws = _ratios(less, here[unit], resamples, seed) if resamples else np.zeros(0)
    return float(less.sum() / here[unit].sum()), draws


def _ratios(sums: np.ndarray, counts: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Ratio of two sums over documents drawn with replacement [R]."""
    drawn = resampled_means(np.stack([sums, counts]), resamples, seed)
    return drawn[0] / drawn[1]
