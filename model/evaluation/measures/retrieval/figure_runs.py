"""Loss and retrieval of several runs over the tokens they were trained on: one colour a configuration, its seeds as a
band."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.report.palette import GRID, NOTE, series
from common.report.plot import to_svg
from model.evaluation.interface.defaults import count
from model.evaluation.interface.loss import loss_kind, loss_name, loss_of
from model.evaluation.interface.result import common_start
from model.evaluation.measures.retrieval.result import NDCG, Findings, ProbeScores, Shown
from model.evaluation.statistics.band import band

Curve = tuple[np.ndarray, np.ndarray]
"""Tokens and values."""


def draw_runs(groups: Sequence[Shown]) -> str:
    """The SVG element: loss at the checkpoints above, nDCG@10 on the test queries below, one axis of tokens."""

    def fill(figure: Any) -> None:
        loss, retrieval = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
        start = common_start([one.sweep for group in groups for one in group.runs])
        for group in groups:
            colour = series(group.place)
            _draw_group(loss, [_loss_curve(one.results) for one in group.runs], colour)
            _draw_group(retrieval, [_score_curve(one.results) for one in group.runs], colour, group.label)
            _draw_untrained(retrieval, group, colour, None if group is not groups[0] else f"{start}, best readout")
        _draw_bm25(retrieval, groups[0].runs[0])
        kinds = {f"{loss_name(one.sweep)}, {loss_kind(one.results)}" for group in groups for one in group.runs}
        loss.set_ylabel(" or ".join(sorted(kinds)))
        retrieval.set(xlabel="tokens", ylabel="nDCG@10, test queries")
        retrieval.set_ylim(bottom=0)
        retrieval.xaxis.set_major_formatter(lambda value, position: count(int(value)))
        for axes in (loss, retrieval):
            axes.grid(axis="y", color=GRID)
        retrieval.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.18))

    return to_svg(
        "runs",
        f"{loss_name(groups[0].runs[0].sweep)} and retrieval of all runs over tokens",
        6.0 + 0.18 * len(groups),
        fill,
    )


def _loss_curve(results: list[ProbeScores]) -> Curve:
    kind = loss_kind(results)
    points = [(result.tokens, loss) for result in results if (loss := loss_of(result, kind)) is not None]
    return np.array([tokens for tokens, _ in points]), np.array([loss for _, loss in points])


def _score_curve(results: list[ProbeScores]) -> Curve:
    return np.array([result.tokens for result in results]), np.array([result.mean("test", NDCG) for result in results])


def _draw_group(axes: Any, curves: list[Curve], colour: str, label: str | None = None) -> None:
    """The mean with the range that the runs fill; where the runs share no stretch of tokens, each run alone."""
    curves = [(x, y) for x, y in curves if len(x)]
    if not curves:
        return
    apart = max(x[0] for x, _ in curves) > min(x[-1] for x, _ in curves)
    for part in [[curve] for curve in curves] if apart else [curves]:
        found = band(part)
        if len(part) > 1:
            axes.fill_between(found.x, found.low, found.high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(found.x, found.mean, color=colour, marker="o", markersize=3, linewidth=1.8, label=label)
        label = None


def _draw_untrained(axes: Any, group: Shown, colour: str, label: str | None) -> None:
    bases = [one.untrained[0].mean("test", NDCG, one.untrained[1]) for one in group.runs if one.untrained]
    if bases:
        axes.axhline(float(np.mean(bases)), color=colour, linestyle="--", linewidth=1, label=label)


def _draw_bm25(axes: Any, found: Findings) -> None:
    for (variant, metrics), line in zip(found.bm25.items(), ("-.", ":"), strict=False):
        axes.axhline(metrics[NDCG], color=NOTE, linestyle=line, linewidth=1.2, label=f"BM25, {variant}")
