"""What a continued training gained on the texts of its domain and forgot of the general ones: changes of perplexity per
character."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.evaluation.measures.perplexity.inputs import DOMAIN, GENERAL
from model.evaluation.measures.perplexity.result import UNITS, Perplexity, log_changes
from model.evaluation.statistics.bootstrap import Interval

UNIT = "character"


@dataclass
class TextPerplexity:
    """One text under one checkpoint."""

    text: str
    role: str
    step: int
    tokens: int
    values: dict[str, float]
    """By unit: perplexity per token and per character, bits per byte."""
    intervals: dict[str, Interval | None]
    """`values` with their 95% intervals over documents; None without a bootstrap."""
    change: Interval | None
    """Percent of the perplexity per character of the first checkpoint, with the interval of the paired difference; None
    at the first checkpoint."""


@dataclass
class Change:
    """All texts of the domain, and all general ones, at one checkpoint against the first one: the mean of the log
    changes, in percent."""

    step: int
    tokens: int
    phase: str | None
    domain: Interval
    general: Interval


def text_perplexities(results: Sequence[Perplexity], resamples: int, seed: int = 0) -> list[TextPerplexity]:
    """Every text under every checkpoint, text by text and by step. ``results`` are by step."""
    return [
        _one(one, results[0], name, resamples, seed)
        for name in (results[0].roles if results else ())
        for one in results
    ]


def forgetting(results: Sequence[Perplexity], resamples: int, seed: int = 0) -> list[Change]:
    """Domain and general change at every checkpoint, the first one (0, 0) among them; empty where a side has no text.
    ``results`` are by step."""
    if not results or {DOMAIN, GENERAL} - set(results[0].roles.values()):
        return []
    first = results[0]
    return [
        Change(
            one.step,
            one.tokens,
            one.phase,
            *(change(one, first, _texts(first, role), resamples, seed) for role in (DOMAIN, GENERAL)),
        )
        for one in results
    ]


def change(found: Perplexity, first: Perplexity, texts: Sequence[str], resamples: int, seed: int = 0) -> Interval:
    """Change of the perplexity per character of ``texts`` against ``first`` in percent; of several texts the mean in
    the logarithm.

    Interval: 95%, documents of each text drawn with replacement, the same ones under both checkpoints; without a
    bootstrap it has no width."""
    logs = [log_changes(found, first, name, UNIT, resamples, seed + number) for number, name in enumerate(texts)]
    mean = _percent(np.mean([point for point, _ in logs]))
    if not resamples:
        return Interval(mean, mean, mean)
    low, high = np.percentile(_percent(np.mean([draws for _, draws in logs], axis=0)), [2.5, 97.5])
    return Interval(mean, float(low), float(high))


def _one(one: Perplexity, first: Perplexity, name: str, resamples: int, seed: int) -> TextPerplexity:
    values = {unit: float(one.value(name, unit)) for unit in UNITS}
    intervals = {unit: one.interval(name, unit, resamples, seed) for unit in UNITS}
    changed = None if one is first else change(one, first, [name], resamples, seed)
    return TextPerplexity(name, one.roles[name], one.step, one.tokens, values, intervals, changed)


def _texts(found: Perplexity, role: str) -> list[str]:
    return [name for name, own in found.roles.items() if own == role]


def _percent(log):
    return 100 * np.expm1(log)
