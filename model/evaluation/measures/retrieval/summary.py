"""Statistics of retrieval in one run, and of all runs together. Checkpoints of step 0 are the baseline, no part of
them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.evaluation.interface.loss import loss_kind, loss_of
from model.evaluation.measures.retrieval.metrics import METRICS, parse_metric
from model.evaluation.measures.retrieval.result import NDCG, Findings, ProbeScores
from model.evaluation.statistics.bootstrap import Interval, bootstrap_mean
from model.evaluation.statistics.rank import Correlation, Lag, correlation, kendall, lag, regret


@dataclass
class Budget:
    """How a probe with fewer (or more) contrastive steps ranks the checkpoints of a run, by ``sweep.metric``."""

    steps: int
    tau: float
    """Kendall's tau-b with the ranking of the full probe."""
    chosen: int
    """Step of the checkpoint it would have chosen."""
    regret: float
    """Full-probe metric of the best checkpoint minus that of the chosen one."""


@dataclass
class RetrievalSummary:
    """Statistics of one run."""

    loss: str
    """held-out or train."""
    means: dict[int, Interval | None]
    """Step -> test nDCG@10 of the main readout with its interval over queries; None without a bootstrap. Step 0 is
    among them."""
    correlation: Correlation | None
    """Of loss and test nDCG@10; None where it is not defined."""
    lag: Lag | None
    """None where no checkpoint has a loss."""
    budgets: list[Budget]
    """By steps; empty where none were measured."""
    dev_test: float
    """Kendall's tau-b of the full probe's ranking on dev and on test queries: how much two samples of queries agree."""


def summarise(found: Findings, resamples: int, seed: int = 0) -> RetrievalSummary:
    """Statistics of a run, with ``resamples`` in each bootstrap."""
    results, kind = found.results, loss_kind(found.results)
    means = {r.step: bootstrap_mean(r.per_query("test"), resamples, seed) if resamples else None for r in results}
    losses, scores = losses_and_scores(found)
    measured = [result for result in trained(results) if loss_of(result, kind) is not None]
    where = None
    if measured:
        per_query = np.stack([result.per_query("test") for result in measured])
        steps, tokens = [result.step for result in measured], [result.tokens for result in measured]
        where = lag(steps, tokens, losses, per_query, resamples, seed)
    dev, test = (np.array([result.mean(split, NDCG) for result in trained(results)]) for split in ("dev", "test"))
    related = correlation([(losses, scores)], resamples, seed) if len(measured) > 1 else None
    return RetrievalSummary(kind, means, related, where, _budgets(found), kendall(dev, test))


def pooled(runs: Sequence[Findings], resamples: int, seed: int = 0) -> Correlation | None:
    """Correlation of loss and test nDCG@10, pooled within runs."""
    pairs = [pair for found in runs if len((pair := losses_and_scores(found))[0]) > 1]
    return correlation(pairs, resamples, seed) if pairs else None


def trained(results: Sequence[ProbeScores]) -> list[ProbeScores]:
    """Without the checkpoint of step 0."""
    return [result for result in results if result.step > 0]


def losses_and_scores(found: Findings) -> tuple[np.ndarray, np.ndarray]:
    """Loss and test nDCG@10 [checkpoints] of the trained checkpoints that have a loss."""
    kind = loss_kind(found.results)
    rows = [(loss, r.mean("test", NDCG)) for r in trained(found.results) if (loss := loss_of(r, kind)) is not None]
    return np.array([loss for loss, _ in rows]), np.array([score for _, score in rows])


def _budgets(found: Findings) -> list[Budget]:
    """Over the checkpoints that every probe has measured. Where the best one is not chosen by retrieval, they rank by
    dev nDCG@10."""
    if not found.budgets:
        return []
    split, metric = parse_metric(found.metric if found.metric.rpartition("/")[2] in METRICS else f"dev/{NDCG}")
    series = {
        steps: {r.step: r.mean(split, metric) for r in trained(results)} for steps, results in found.budgets.items()
    }
    full = {r.step: r.mean(split, metric) for r in trained(found.results)}
    common = sorted(set(full).intersection(*series.values()))
    reference = np.array([full[step] for step in common])
    budgets = []
    for steps, values in sorted(series.items()):
        few = np.array([values[step] for step in common])
        budgets.append(Budget(steps, kendall(reference, few), common[int(few.argmax())], regret(reference, few)))
    return budgets
