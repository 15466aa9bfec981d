"""Topic classifier: its folder, and what it says of texts: TF-IDF, linear machines, isotonic calibration (Bielik
v3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from common import manifest
from common.errors import UserError
from common.files import digest, read_json, write_json
from data_prep.text.batch import Batch, hash_words
from data_prep.topics.words import counts

VERSION = 1
"""Raised by hand whenever the same weights may give other topics: models of another version are refused;
``tests/data_prep/versions`` holds it to that."""
WEIGHTS, WORDS = "weights.npz", "words.json"
OTHER = "Other"


@dataclass(frozen=True)
class TopicClassifier:
    """Topic classifier: one linear machine and one isotonic curve for each topic and fold of the calibration;
    probabilities are means over the folds."""

    topics: list[str]
    """[k] names."""
    words: list[str]
    """[v] in lower case."""
    language: str
    casing: Mapping[str, str]
    idf: np.ndarray
    """[v] float64: inverse document frequencies, ln((1 + n) / (1 + df)) + 1."""
    coefficients: np.ndarray
    """[folds, k, v] float64."""
    intercepts: np.ndarray
    """[folds, k] float64."""
    bends: np.ndarray
    """[2, all] float64: distances and probabilities where the curves bend, curve after curve."""
    bounds: np.ndarray
    """[folds * k + 1] int64: those of curve i are ``bounds[i]`` to ``bounds[i + 1]``."""

    @cached_property
    def _known(self) -> tuple[np.ndarray, np.ndarray]:
        hashes = hash_words(self.words, self.casing)
        order = np.argsort(hashes)
        return hashes[order], order

    def tfidf(self, batch: Batch) -> Any:
        """scipy's CSR matrix [n, v]: (1 + ln count) * idf, rows of length 1."""
        matrix = counts(batch, *self._known)
        matrix.data = (np.log(matrix.data) + 1) * self.idf[matrix.indices]
        rows = np.repeat(np.arange(len(batch)), np.diff(matrix.indptr))
        lengths = np.sqrt(np.bincount(rows, matrix.data**2, len(batch)))
        matrix.data /= lengths[rows]
        return matrix

    def probabilities_of(self, batch: Batch) -> np.ndarray:
        """float64 [n, k]: probability of each topic. The batch must have the casing of the language."""
        matrix, summed = self.tfidf(batch), np.zeros((len(batch), len(self.topics)))
        for fold, (weights, shift) in enumerate(zip(self.coefficients, self.intercepts, strict=True)):
            distances = matrix @ weights.T + shift
            curves = range(fold * len(self.topics), (fold + 1) * len(self.topics))
            raw = np.column_stack([self._bent(curve, distances[:, place]) for place, curve in enumerate(curves)])
            total = raw.sum(1, keepdims=True)
            summed += np.where(total > 0, raw / np.where(total > 0, total, 1), 1 / len(self.topics))
        return summed / len(self.coefficients)

    def _bent(self, curve: int, distances: np.ndarray) -> np.ndarray:
        """Probability by an isotonic curve: linear between its bends, constant beyond the ends."""
        at, value = self.bends[:, self.bounds[curve] : self.bounds[curve + 1]]
        return np.interp(distances, at, value)

    def topics_of(self, batch: Batch, least: float) -> list[str]:
        """[n]: the most probable topic, or "Other" where its probability is below ``least``."""
        return self.names(self.probabilities_of(batch), least)

    def names(self, probabilities: np.ndarray, least: float) -> list[str]:
        """[n]: as `topics_of`, from probabilities [n, k]."""
        best = probabilities.argmax(1)
        return [
            self.topics[place] if row[place] >= least else OTHER for place, row in zip(best, probabilities, strict=True)
        ]

    def telling(self, count: int) -> dict[str, list[str]]:
        """Topic -> its words of the largest weights, mean over the folds."""
        mean = self.coefficients.mean(0)
        return {
            topic: [self.words[place] for place in np.argsort(-row, kind="stable")[:count]]
            for topic, row in zip(self.topics, mean, strict=True)
        }

    def save(self, folder: Path) -> None:
        """Write weights and words into a folder that is there."""
        arrays = {name: getattr(self, name) for name in ("idf", "coefficients", "intercepts", "bends", "bounds")}
        np.savez(folder / WEIGHTS, allow_pickle=False, **arrays)
        words = {"language": self.language, "casing": dict(self.casing), "topics": self.topics, "words": self.words}
        write_json(folder / WORDS, words)


def load(folder: str | Path) -> TopicClassifier:
    """The classifier of a folder that `jobs.topics` wrote. Raises UserError where there is none, or it is broken."""
    folder = Path(folder)
    if not (folder / manifest.NAME).is_file():
        raise UserError(
            f"there is no topic classifier in {folder} (key topics.model); make one with python -m jobs.topics"
        )
    made = manifest.read(folder)
    if made.get("kind") != "topics":
        raise UserError(f"{folder} holds no topic classifier (key topics.model); make one with python -m jobs.topics")
    if made["classifier_version"] != VERSION:
        raise UserError(
            f"{folder} (key topics.model) is of version {made['classifier_version']} of the classifier, now "
            f"{VERSION}; make it anew "
            "with python -m jobs.topics"
        )
    for name in (WEIGHTS, WORDS):
        if not (folder / name).is_file() or digest(folder / name) != made["files"][name]:
            raise UserError(f"{folder / name} is not as jobs.topics wrote it; make it anew with python -m jobs.topics")
    with np.load(folder / WEIGHTS, allow_pickle=False) as arrays:
        return TopicClassifier(**read_json(folder / WORDS), **{name: arrays[name] for name in arrays.files})


def stacked(models: Sequence[Any]) -> dict[str, np.ndarray]:
    """The arrays of scikit-learn's calibrated classifiers, one a fold."""
    curves = [curve for model in models for curve in model.calibrators]
    sizes = [len(curve.X_thresholds_) for curve in curves]
    return {
        "coefficients": np.stack([model.estimator.coef_ for model in models]),
        "intercepts": np.stack([model.estimator.intercept_ for model in models]),
        "bends": np.concatenate([np.stack([curve.X_thresholds_, curve.y_thresholds_]) for curve in curves], 1),
        "bounds": np.concatenate([[0], np.cumsum(sizes)]),
    }
