"""Perplexity over the checkpoints of a run in rows of tables, and in a sentence."""

import math
from collections.abc import Iterator, Sequence

from model.evaluation.interface.defaults import count
from model.evaluation.measures.perplexity.forgetting import DOMAIN, GENERAL, TextPerplexity
from model.evaluation.measures.perplexity.result import Perplexity
from model.evaluation.statistics.bootstrap import Interval

PLACES = {"token": ".2f", "character": ".3f", "byte": ".3f"}
"""Decimals by unit."""
HEADS = {"token": "perplexity per token", "character": "per character", "byte": "bits per byte"}
HEADINGS = ["loss", *HEADS.values(), "change, %"]
"""Of `cells`."""


def rows(texts: Sequence[TextPerplexity], name: str, best: int) -> Iterator[tuple[list[str], bool]]:
    """Headings, then step, tokens and `cells` of a text at every checkpoint; and whether it is the best one."""
    yield ["step", "tokens", *HEADINGS], False
    for text in texts:
        if text.text == name:
            yield [str(text.step), count(text.tokens), *cells(text)], text.step == best


def cells(text: TextPerplexity) -> list[str]:
    """The loss on this text (nats per token), the three figures, and the change of the second against the first
    checkpoint."""
    changed = "" if text.change is None else _shown(text.change, "+.1f")
    return [f"{math.log(text.values['token']):.3f}", *(_interval(text, unit) for unit in HEADS), changed]


def clause(results: Sequence[Perplexity], texts: Sequence[TextPerplexity], best: int) -> str:
    """The change of perplexity at the best checkpoint, in words; empty where there is none."""
    changes = [
        f"{text.text} {_shown(text.change, '+.1f')} %"
        for role in (DOMAIN, GENERAL)
        for text in texts
        if text.role == role and text.step == best and text.change
    ]
    return f"perplexity per character against step {results[0].step}: {', '.join(changes)}" if changes else ""


def _interval(text: TextPerplexity, unit: str) -> str:
    interval = text.intervals[unit]
    return f"{text.values[unit]:{PLACES[unit]}}" if interval is None else _shown(interval, PLACES[unit])


def _shown(interval: Interval, spec: str) -> str:
    """Without bounds where there was no bootstrap."""
    return f"{interval.mean:{spec}}" if interval.low == interval.high else f"{interval:{spec}}"
