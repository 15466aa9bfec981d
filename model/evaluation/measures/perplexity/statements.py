"""What the best checkpoints gained on the texts of their domain and forgot of the general ones, as statistics in
words."""

from collections.abc import Sequence

import numpy as np

from model.evaluation.interface.result import Statement
from model.evaluation.measures.perplexity.forgetting import DOMAIN, GENERAL, Change


def changes(runs: Sequence[tuple[int, Sequence[Change]]]) -> list[Statement]:
    """``runs``: the step of the best checkpoint, and the changes at all of them."""
    pairs = [(change, own[0].step) for best, own in runs for change in own if change.step == best]
    if not pairs:
        return []
    if len(pairs) == 1:
        return [_of_one(role, *pairs[0]) for role in (DOMAIN, GENERAL)]
    return [_of_several(role, [change for change, _ in pairs]) for role in (DOMAIN, GENERAL)]


def _name(role: str) -> str:
    return f"Change of {role} perplexity per character at the best checkpoint"


def _of_one(role: str, change: Change, first: int) -> Statement:
    interval = getattr(change, role)
    over = "; interval: 95%, paired bootstrap over documents" if interval.low < interval.high else ""
    value = f"{interval:+.1f}" if over else f"{interval.mean:+.1f}"
    return Statement(_name(role), f"{value} %", f"Step {change.step} against step {first}{over}.")


def _of_several(role: str, changes: Sequence[Change]) -> Statement:
    intervals = [getattr(change, role) for change in changes]
    means = [interval.mean for interval in intervals]
    better = sum(interval.high < 0 for interval in intervals)
    worse = sum(interval.low > 0 for interval in intervals)
    drawn = any(interval.low < interval.high for interval in intervals)
    bounds = f"lies below 0 in {better} and above 0 in {worse} of {len(means)} runs"
    sentence = f"Mean and range over runs; {'the 95% interval over documents' if drawn else 'it'} {bounds}."
    value = f"{np.mean(means):+.1f} [{min(means):+.1f}, {max(means):+.1f}] %"
    return Statement(_name(role), value, sentence)
