"""Pictures beside the statistics: loss against retrieval, and what fewer probe steps would have chosen."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.report.palette import GRID, SERIES, series
from common.report.plot import to_svg
from model.evaluation.interface.defaults import count
from model.evaluation.interface.loss import loss_kind, loss_name, loss_of
from model.evaluation.measures.retrieval.result import NDCG, Shown
from model.evaluation.measures.retrieval.summary import RetrievalSummary, trained

MARKERS = "osD^vPX*"


def draw_scatter(groups: Sequence[Shown]) -> str | None:
    """The SVG element: a point a trained checkpoint, its loss against its nDCG@10 on the test queries; None where no
    checkpoint has a loss."""
    rows = []
    for group in groups:
        for one in group.runs:
            kind = loss_kind(one.results)
            points = [
                (loss, r.mean("test", NDCG), r.tokens)
                for r in trained(one.results)
                if (loss := loss_of(r, kind)) is not None
            ]
            kind = f"{loss_name(one.sweep)}, {kind}"
            rows.append((group.place, group.label, kind, points))
    values = [tokens for *_, points in rows for *_, tokens in points]
    if not values:
        return None

    def fill(figure: Any) -> None:
        from matplotlib import colormaps
        from matplotlib.ticker import MaxNLocator

        colours = colormaps["viridis_r"].resampled(32)  # the scale of a finer one would be a bitmap
        axes, shown = figure.subplots(), set()
        for number, label, _, points in rows:
            losses, scores, tokens = zip(*points, strict=True) if points else ((), (), ())
            axes.plot(losses, scores, color=series(number), linewidth=0.8, alpha=0.5)
            drawn = axes.scatter(
                losses, scores, c=tokens, cmap=colours, vmin=min(values), vmax=max(values),
                marker=MARKERS[number % len(MARKERS)],
                edgecolors=series(number), linewidths=0.6, s=32, zorder=3, label=None if number in shown else label,
            )  # fmt: skip
            shown.add(number)
        bar = figure.colorbar(
            drawn, ax=axes, location="top", aspect=40, pad=0.02, format=lambda value, position: count(int(value))
        )
        bar.set_label("tokens")
        bar.locator = MaxNLocator(5)
        axes.set(xlabel=" or ".join(sorted({kind for _, _, kind, _ in rows})), ylabel="nDCG@10, test queries")
        axes.grid(color=GRID)
        if len(groups) > 1:
            axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.2))

    return to_svg(
        "scatter",
        "Loss against retrieval, a point a checkpoint",
        3.4 + (0.3 + 0.18 * len(groups) if len(groups) > 1 else 0),
        fill,
    )


def draw_budgets(runs: Sequence[RetrievalSummary]) -> str | None:
    """The SVG element: Kendall's tau and regret by probe steps, a thin line a run and their mean; None where none were
    measured."""
    steps = sorted(set.intersection(*({budget.steps for budget in run.budgets} for run in runs)))
    if not steps:
        return None
    series = {
        name: np.array([[getattr(b, name) for b in run.budgets if b.steps in steps] for run in runs])
        for name in ("tau", "regret")
    }

    def fill(figure: Any) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True)
        for axes, (name, label) in zip((upper, lower), (("tau", "Kendall's tau"), ("regret", "regret")), strict=True):
            if len(runs) > 1:
                axes.plot(steps, series[name].T, color=SERIES[0], linewidth=0.7, alpha=0.5)
            axes.plot(steps, series[name].mean(0), color=SERIES[0], marker="o", markersize=3.5, linewidth=2)
            axes.set_ylabel(label)
            axes.grid(axis="y", color=GRID)
        upper.axhline(
            np.mean([run.dev_test for run in runs]),
            color="#666666",
            linestyle="--",
            linewidth=1,
            label="dev against test",
        )
        upper.set_ylim(top=1.05)
        upper.legend(loc="lower right")
        lower.set(xlabel="contrastive steps of the probe", xticks=steps)
        lower.set_ylim(bottom=0)

    return to_svg("budgets", "Agreement and regret by steps of the probe", 3.8, fill)
