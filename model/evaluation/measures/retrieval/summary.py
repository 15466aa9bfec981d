"""What a sweep says of its runs in numbers: per run, and of all runs together. Checkpoints of step 0 are the baseline and no
part of them."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy import nan

from common.files import write_json
from model.evaluation.measures.perplexity.forgetting import Change, TextPerplexity, forgetting, text_perplexities
from model.evaluation.measures.retrieval.metrics import METRICS, parse_metric
from model.evaluation.measures.retrieval.table import loss_kind, loss_of
from model.evaluation.results import Result
from model.evaluation.statistics.bootstrap import Interval, bootstrap_mean
from model.evaluation.statistics.rank import Correlation, Lag, correlation, kendall, lag, regret
from model.evaluation.sweep import NDCG, SweepResult


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
class RunSummary:
    """Statistics of one run."""

    name: str
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
    perplexity: list[TextPerplexity] = field(default_factory=list)
    """Text by text and by step; empty where it was not measured."""
    forgetting: list[Change] = field(default_factory=list)
    """By step; empty without a text of the domain and a general one."""


@dataclass
class Summary:
    """Statistics of a sweep."""

    runs: list[RunSummary]
    correlation: Correlation | None
    """Pooled within runs."""

    def alone(self, position: int) -> "Summary":
        """That of one run."""
        return Summary([self.runs[position]], self.runs[position].correlation)


def summarise(found: list[SweepResult], resamples: int, seed: int = 0) -> Summary:
    """Statistics of the runs in ``found``, with ``resamples`` in each bootstrap."""
    pooled = [pair for one in found if (pair := _losses_and_scores(one)) and len(pair[0]) > 1]
    return Summary(
        [_run(one, resamples, seed) for one in found], correlation(pooled, resamples, seed) if pooled else None
    )


def write_summary(path: Path, summary: Summary) -> None:
    """Write it as JSON."""
    write_json(path, {"kind": "sweep statistics", **_plain(asdict(summary))})


def trained(results: list[Result]) -> list[Result]:
    """Without the checkpoint of step 0."""
    return [result for result in results if result.step > 0]


def _run(found: SweepResult, resamples: int, seed: int) -> RunSummary:
    if found.wanted.retrieval:
        one = _of_retrieval(found, resamples, seed)
    else:
        one = RunSummary(found.name, loss_kind(found.results), {}, None, None, [], nan)
    one.perplexity = text_perplexities(found.perplexity, resamples, seed)
    one.forgetting = forgetting(found.perplexity, resamples, seed)
    return one


def _of_retrieval(found: SweepResult, resamples: int, seed: int) -> RunSummary:
    means = {r.step: bootstrap_mean(r.per_query("test"), resamples, seed) if resamples else None for r in found.results}
    pair, kind = _losses_and_scores(found), loss_kind(found.results)
    measured = [result for result in trained(found.results) if loss_of(result, kind) is not None]
    where = None
    if measured:
        per_query = np.stack([result.per_query("test") for result in measured])
        steps, tokens = [result.step for result in measured], [result.tokens for result in measured]
        where = lag(steps, tokens, pair[0], per_query, resamples, seed)
    dev, test = (np.array([result.mean(split, NDCG) for result in trained(found.results)]) for split in ("dev", "test"))
    related = correlation([pair], resamples, seed) if len(measured) > 1 else None
    return RunSummary(found.name, kind, means, related, where, _budgets(found), kendall(dev, test))


def _losses_and_scores(found: SweepResult) -> tuple[np.ndarray, np.ndarray]:
    """Loss and test nDCG@10 [saves] of the trained checkpoints that have a loss; none where retrieval is not measured."""
    if not found.wanted.retrieval:
        return np.zeros(0), np.zeros(0)
    kind = loss_kind(found.results)
    rows = [(loss, r.mean("test", NDCG)) for r in trained(found.results) if (loss := loss_of(r, kind)) is not None]
    return np.array([loss for loss, _ in rows]), np.array([score for _, score in rows])


def _budgets(found: SweepResult) -> list[Budget]:
    """Over the checkpoints that every probe has measured. Where the best checkpoint is not chosen by retrieval, they rank by dev
    nDCG@10."""
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


def _plain(value: Any) -> Any:
    """``value`` with None in place of nan, which JSON does not have."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and np.isnan(value) else value
