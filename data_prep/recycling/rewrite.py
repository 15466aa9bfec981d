"""Rewriting by an LLM: a text is kept only if it scores better than the one it came from."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

import numpy as np

from conf.schema.endpoint import RecycleConfig
from data_prep.endpoint.client import Answer, Endpoint, Failure
from data_prep.quality.examples import LABELS
from data_prep.recycling.band import LABEL, PROBABILITIES, judge
from data_prep.sources.readers import Document

AT_ONCE = 64
"""Pairs scored together."""
EXAMPLES = 5
BETTER, NOT_BETTER, FAILED = "better", "not_better", "failed"
Pair = tuple[Document, Answer | Failure]


class Scorer(Protocol):
    """Model that tells good text from bad (`data_prep.quality.classifier`)."""

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """[n, 3] of LOW, MEDIUM, HIGH."""


class Recycler:
    """Chooses, asks, scores, counts: chosen = better + not_better + failed, read = chosen + unscored + too_long +
    outside."""

    def __init__(
        self, config: RecycleConfig, endpoint: Endpoint, model: str, scorer: Scorer, told: Callable[[int], Any]
    ):
        self.config, self.endpoint, self.model, self.scorer, self.told = config, endpoint, model, scorer, told
        self.counts = dict.fromkeys(
            ("read", "unscored", "outside", "too_long", "chosen", "high", "medium", BETTER, NOT_BETTER, FAILED), 0
        )
        self.reasons: dict[str, int] = {}
        self.gains: list[float] = []
        self.examples: list[dict[str, Any]] = []

    def run(self, documents: Iterable[Document]) -> Iterator[dict[str, Any]]:
        """Records of the texts that came out better, in the order of the documents."""
        answers = self.endpoint.ask_all(self._requests(documents))
        while pairs := list(islice(answers, AT_ONCE)):
            yield from self._score(pairs)
            self.told(len(pairs))

    def report(self) -> dict[str, Any]:
        """Counts, the gains of what was kept, and examples."""
        gains = {"mean": float(np.mean(self.gains)), "median": float(np.median(self.gains))} if self.gains else None
        return {
            "model": self.model,
            "counts": self.counts,
            "failures": self.reasons,
            "gain_of_high": gains,
            "examples": self.examples,
        }

    def _requests(self, documents: Iterable[Document]) -> Iterator[tuple[Document, dict[str, Any]]]:
        for document in documents:
            self.counts["read"] += 1
            verdict = judge(document.text, document.fields, self.config)
            self.counts[verdict.why] += 1
            if verdict.chosen:
                self.counts["chosen"] += 1
                yield document, self.endpoint.request(self.model, f"{self.config.prompt}\n\n{document.text}")

    def _score(self, pairs: list[Pair]) -> Iterator[dict[str, Any]]:
        """Both texts of a pair are scored here, by the same model: the note on the document may be that of another."""
        rewritten = []
        for document, answer in pairs:
            why = (
                answer.why if isinstance(answer, Failure) else "cut off at max_tokens" if not answer.whole else "empty"
            )
            if isinstance(answer, Failure) or not answer.whole or not answer.text.strip():
                self.counts[FAILED] += 1
                self.reasons[why] = self.reasons.get(why, 0) + 1
            else:
                rewritten.append((document, answer.text.strip()))
        if not rewritten:
            return
        scores = self.scorer.probabilities([text for document, new in rewritten for text in (document.text, new)])
        for (document, new), before, after in zip(rewritten, scores[0::2], scores[1::2], strict=True):
            gain = float(after[-1] - before[-1])
            better = gain > self.config.min_gain
            self.counts[BETTER if better else NOT_BETTER] += 1
            if better:
                self.gains.append(gain)
                record = self._record(document, new, before, after)
                if len(self.examples) < EXAMPLES:
                    self.examples.append({"before": document.text, "after": new, "gain": gain, "id": document.id})
                yield record

    def _record(self, document: Document, text: str, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
        """The document with its new text: its source, licence and place stay, its id names where it came from."""
        return document.fields | {
            "id": f"{document.id}#recycled",
            "text": text,
            LABEL: LABELS[int(np.argmax(after))],
            PROBABILITIES: _rounded(after),
            "recycled_from": document.id,
            "recycled_by": self.model,
            f"{PROBABILITIES}_before": _rounded(before),
        }


def _rounded(probabilities: np.ndarray) -> list[float]:
    """Round probabilities as the rule quality writes them."""
    return [round(float(value), 4) for value in probabilities]
