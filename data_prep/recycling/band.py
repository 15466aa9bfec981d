"""Documents that are worth rewriting: the middle band (Bielik v3, arXiv 2505.02550)."""

from dataclasses import dataclass
from typing import Any

from conf.schema.endpoint import RecycleConfig
from data_prep.quality.examples import LABELS

LABEL, PROBABILITIES = "quality", "quality_probabilities"
"""Notes that the rule quality leaves on a document: its label, and the list of the probabilities of `LABELS`."""


@dataclass(frozen=True)
class Verdict:
    """Verdict on a document: whether it is rewritten, and under what it is counted."""

    chosen: bool
    why: str
    """high, medium; or unscored, too_long, outside."""


def judge(text: str, notes: dict[str, Any], config: RecycleConfig) -> Verdict:
    """HIGH with a probability of ``high_from`` to ``high_to``, and MEDIUM from ``medium_from`` on, are chosen; long
    texts are not."""
    label, probabilities = notes.get(LABEL), notes.get(PROBABILITIES)
    if label not in LABELS or not isinstance(probabilities, list) or len(probabilities) != len(LABELS):
        return Verdict(False, "unscored")
    probability = probabilities[LABELS.index(label)]
    if label == "HIGH" and config.high_from <= probability <= config.high_to:
        why = "high"
    elif label == "MEDIUM" and probability >= config.medium_from:
        why = "medium"
    else:
        return Verdict(False, "outside")
    return Verdict(True, why) if len(text) <= config.max_characters else Verdict(False, "too_long")
