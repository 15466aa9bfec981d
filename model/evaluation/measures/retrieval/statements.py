"""Statistics of retrieval as a person reads them."""

from collections.abc import Sequence

import numpy as np

from model.evaluation.interface.defaults import count
from model.evaluation.interface.result import Statement, common_start
from model.evaluation.measures.retrieval.result import Findings
from model.evaluation.measures.retrieval.summary import RetrievalSummary
from model.evaluation.statistics.rank import Correlation


def statements(runs: Sequence[tuple[Findings, RetrievalSummary]], pooled: Correlation | None) -> list[Statement]:
    """Of ``runs``, in the order in which it is best read; ``pooled``: the correlation over all of them."""
    summaries = [summary for _, summary in runs]
    together = pooled if len(runs) > 1 else summaries[0].correlation
    return [
        *_best([found for found, _ in runs]),
        *_correlation(summaries, together),
        *_lag(summaries),
        *_budgets(summaries),
    ]


def _best(found: Sequence[Findings]) -> list[Statement]:
    name = f"Best checkpoint against {common_start([one.sweep for one in found])}, test nDCG@10"
    differences = [one.differences[one.best.step] for one in found if one.best.step in one.differences]
    if not differences:
        return []
    if len(found) == 1:
        step, readout = found[0].best.step, found[0].untrained[1]
        sentence = (
            f"Step {step} against the best {found[0].start} readout ({readout}); interval: 95%, paired bootstrap over"
            " queries."
        )
        return [Statement(name, f"{differences[0]:+.3f}", sentence)]
    means, above = (
        [difference.mean for difference in differences],
        sum(difference.low > 0 for difference in differences),
    )
    sentence = (
        f"Mean and range over runs; the 95% interval over queries lies above 0 in {above} of {len(differences)} runs."
    )
    return [Statement(name, f"{np.mean(means):+.3f} [{min(means):+.3f}, {max(means):+.3f}]", sentence)]


def _correlation(runs: Sequence[RetrievalSummary], found: Correlation | None) -> list[Statement]:
    kinds = sorted({run.loss for run in runs})
    if found is None:
        return []
    value = f"{found.rho:+.2f}" + ("" if found.low is None else f" [{found.low:+.2f}, {found.high:+.2f}]")
    where = f"Over {found.checkpoints} checkpoints after step 0" + (
        ", ranked within their runs" if len(runs) > 1 else ""
    )
    bounds = "" if found.low is None else " Interval: 95%, checkpoints drawn with replacement."
    return [
        Statement(
            f"Spearman correlation of {' or '.join(kinds)} loss and nDCG@10",
            value,
            f"{where}, {_direction(found)}.{bounds}",
        )
    ]


def _direction(found: Correlation) -> str:
    if found.low is None or found.low <= 0 <= found.high:
        return "the loss does not say for certain which checkpoint retrieves better"
    return "a lower loss goes with better retrieval" if found.high < 0 else "a lower loss goes with worse retrieval"


def _lag(runs: Sequence[RetrievalSummary]) -> list[Statement]:
    lags, name = [run.lag for run in runs if run.lag], "Lag from the loss minimum to the retrieval maximum"
    if not lags:
        return []
    if len(lags) > 1:
        steps, tokens = np.median([lag.steps for lag in lags]), np.median([lag.tokens for lag in lags])
        before, after = (sum(sign * lag.steps > 0 for lag in lags) for sign in (-1, 1))
        sentence = (
            f"Median over runs: retrieval is best before the loss is lowest in {before}, at the same checkpoint in"
            f" {len(lags) - before - after} and after it in {after} of {len(lags)} runs."
        )
        return [Statement(name, f"{steps:+.0f} steps, {_signed(tokens)} tokens", sentence)]
    lag = lags[0]
    bounds = (
        f" On other queries the lag would lie between {lag.low:+d} and {lag.high:+d} steps (95%)."
        if lag.low is not None
        else ""
    )
    sentence = (
        f"After step 0 the {runs[0].loss} loss is lowest at step {lag.loss_step}, nDCG@10 on test queries highest at"
        f" step {lag.retrieval_step}."
    )
    return [Statement(name, f"{lag.steps:+d} steps, {_signed(lag.tokens)} tokens", sentence + bounds)]


def _budgets(runs: Sequence[RetrievalSummary]) -> list[Statement]:
    """A statement a budget that every run was probed with, then what the ranking of the full probe itself is worth."""
    common = sorted(set.intersection(*({budget.steps for budget in run.budgets} for run in runs)))
    found = []
    for steps in common:
        budgets = [budget for run in runs for budget in run.budgets if budget.steps == steps]
        tau, worst = np.mean([budget.tau for budget in budgets]), max(budget.regret for budget in budgets)
        if len(runs) == 1:
            told = "the best one" if worst == 0 else f"{worst:.3f} below the best one"
            sentence = f"It would choose step {budgets[0].chosen}, by the full probe {told}."
        else:
            right = sum(budget.regret == 0 for budget in budgets)
            sentence = (
                f"Mean tau and largest regret; it would choose the best checkpoint in {right} of {len(runs)} runs."
            )
        found.append(Statement(f"A probe of {steps} steps", f"tau {tau:.2f}, regret {worst:.3f}", sentence))
    if common:
        sentence = (
            "Kendall's tau of the full probe's rankings on dev and on test queries: what another sample of queries"
            " changes by itself."
        )
        found.append(Statement("Dev against test", f"tau {np.mean([run.dev_test for run in runs]):.2f}", sentence))
    return found


def _signed(tokens: float) -> str:
    return f"{'-' if tokens < 0 else '+'}{count(abs(int(tokens)))}"
