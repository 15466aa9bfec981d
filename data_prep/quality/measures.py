"""Measures of a classifier: per class, by kind of degradation, and whether its probabilities are what they say."""

from collections.abc import Sequence
from typing import Any

import numpy as np

BINS = 10


def figures(probabilities: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Accuracy, macro-F1, per class precision, recall and F1, confusion (rows: truth), calibration. Classes without an
    example, and never predicted, are left out of macro-F1."""
    predicted = probabilities.argmax(1)
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    hits, said, are = np.diag(confusion), confusion.sum(0), confusion.sum(1)
    rows = {
        name: {
            "examples": int(are[place]),
            "precision": _ratio(hits[place], said[place]),
            "recall": _ratio(hits[place], are[place]),
            "f1": _ratio(2 * hits[place], said[place] + are[place]),
        }
        for place, name in enumerate(names)
    }
    there = [rows[name]["f1"] for place, name in enumerate(names) if said[place] + are[place]]
    return {
        "examples": len(truth),
        "accuracy": _ratio(hits.sum(), len(truth)),
        "macro_f1": round(float(np.mean(there)), 4) if there else 0.0,
        "classes": rows,
        "confusion": confusion.tolist(),
        "calibration": calibration(probabilities, truth),
    }


def calibration(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Return of ten bins of the probability of what was predicted: how many, mean probability, share that was right;
    and the expected calibration error, the mean distance of the two (Guo et al. 2017, arXiv 1706.04599, section 2)."""
    sure, right = probabilities.max(1), probabilities.argmax(1) == truth
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    said, was = (np.bincount(place, value, BINS) / np.maximum(counts, 1) for value in (sure, right))
    error = float((counts * np.abs(said - was)).sum() / max(len(truth), 1))
    bins = [
        {"count": int(number), "said": round(float(a), 4), "was": round(float(b), 4)}
        for number, a, b in zip(counts, said, was, strict=True)
    ]
    return {"error": round(error, 4), "bins": bins}


def by_kind(
    probabilities: np.ndarray, labels: Sequence[str], kinds: Sequence[str], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return of each kind of degradation and true label: how many, and the share that was found to be of each class."""
    predicted, table = probabilities.argmax(1), {}
    for kind, label in sorted(set(zip(kinds, labels, strict=True))):
        chosen = np.array([own_kind == kind and other == label for own_kind, other in zip(kinds, labels, strict=True)])
        shares = np.bincount(predicted[chosen], minlength=len(names)) / chosen.sum()
        table[f"{kind}, {label}"] = {"examples": int(chosen.sum())} | {
            name: round(float(x), 4) for name, x in zip(names, shares, strict=True)
        }
    return table


def _ratio(part: float, whole: float) -> float:
    return round(float(part / whole), 4) if whole else 0.0
