"""Results of probes, and what a sweep found of retrieval in one run."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model.evaluation.interface.result import SweepResult
from model.evaluation.interface.store import Result
from model.evaluation.statistics.bootstrap import Interval

NDCG = "ndcg@10"
Means = dict[str, dict[str, dict[str, float]]]
"""Readout -> split -> metric -> mean over queries."""


class ProbeScores(Result):
    """What the probe of one checkpoint measured."""

    @property
    def readout(self) -> str:
        """The main readout."""
        return self.document["readout"]

    @property
    def metrics(self) -> Means:
        """All means."""
        return self.document["metrics"]

    def mean(self, split: str, metric: str, readout: str | None = None) -> float:
        """One number; of the main readout where none is named."""
        return self.metrics[readout or self.readout][split][metric]

    def per_query(self, split: str, readout: str | None = None) -> np.ndarray:
        """nDCG@10 of every query [Q]."""
        return self.arrays(f"{readout or self.readout}/{split}")[0]


@dataclass
class Findings:
    """Retrieval over the checkpoints of one run, and what stands beside it."""

    sweep: SweepResult
    results: list[ProbeScores]
    """By step."""
    best: ProbeScores
    """That of the best checkpoint."""
    untrained: tuple[ProbeScores, str] | None
    """The probe of step 0 and its best readout on the test queries; None where step 0 was not saved."""
    differences: dict[int, Interval]
    """Step -> test nDCG@10 of the main readout minus that of ``untrained``."""
    bm25: dict[str, dict[str, float]]
    """Variant -> metric -> mean on the test queries; empty where it was not asked for."""
    budgets: dict[int, list[ProbeScores]]
    """Contrastive steps -> results by step of a probe with that many, for ``sweep.budgets``."""

    @property
    def metric(self) -> str:
        """What chose the best checkpoint."""
        return self.sweep.metric

    @property
    def failed(self) -> dict[int, str]:
        """Step -> why the probe of a checkpoint was given up."""
        return self.sweep.failed

    @property
    def start(self) -> str:
        """What the net at step 0 is called."""
        return self.sweep.start


class Shown(NamedTuple):
    """Runs of one configuration in a picture."""

    label: str
    place: int
    """Number of the colour."""
    runs: list[Findings]


def best_untrained(results: list[ProbeScores]) -> tuple[ProbeScores, str] | None:
    """The probe of step 0 with the readout that does best on the test queries: the baseline that is hardest to beat."""
    if not results or results[0].step != 0:
        return None
    return results[0], max(results[0].metrics, key=lambda readout: results[0].mean("test", NDCG, readout))
