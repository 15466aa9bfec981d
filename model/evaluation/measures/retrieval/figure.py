"""Loss and retrieval over the steps of a run, as one SVG that scales with the page."""

from typing import Any

from common.report.palette import BASELINE, GRID, SERIES, WORDS
from common.report.plot import to_svg
from model.evaluation.interface.loss import draw_loss, loss_name
from model.evaluation.measures.retrieval.result import NDCG, Findings
from model.evaluation.measures.retrieval.table import READS, beside

MAIN, BESIDE = SERIES[0], (SERIES[1], SERIES[3], SERIES[2])


def draw(found: Findings) -> str:
    """The SVG element: loss above, nDCG@10 on the test queries below, one step axis. Small enough to be read on a
    phone."""

    def fill(figure: Any) -> None:
        loss, retrieval = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
        draw_loss(loss, found.sweep)
        _draw_retrieval(retrieval, found)

    return to_svg("run", f"{loss_name(found.sweep)} and retrieval over the steps of the run", 6.4, fill)


def _draw_retrieval(axes: Any, found: Findings) -> None:
    steps = [result.step for result in found.results]
    values = [result.mean("test", NDCG) for result in found.results]
    main = found.best.readout
    axes.plot(
        steps, values, color=MAIN, marker="o", markersize=3.5, linewidth=2, label=f"{main}: {READS[main]}", zorder=3
    )
    if found.differences and found.untrained:
        base = found.untrained[0].mean("test", NDCG, found.untrained[1])
        bounds = [found.differences[step] for step in steps]
        axes.fill_between(
            steps, [base + d.low for d in bounds], [base + d.high for d in bounds], color=MAIN, alpha=0.18, linewidth=0
        )
    for name, colour in zip(beside(found), BESIDE, strict=False):
        axes.plot(
            steps,
            [r.mean("test", NDCG, name) for r in found.results],
            color=colour,
            marker=".",
            linewidth=1.2,
            label=f"{name}: {READS[name]}",
        )
    if found.untrained:
        base = found.untrained[0].mean("test", NDCG, found.untrained[1])
        axes.axhline(
            base,
            color=BASELINE,
            linestyle="--",
            linewidth=1.2,
            label=f"{found.start}, best readout ({found.untrained[1]})",
        )
    for (variant, metrics), line in zip(found.bm25.items(), ("-.", ":"), strict=False):
        axes.axhline(metrics[NDCG], color=WORDS, linestyle=line, linewidth=1.2, label=f"BM25, {variant}")
    axes.plot(
        [found.best.step],
        [found.best.mean("test", NDCG)],
        "*",
        color=MAIN,
        markersize=12,
        label=f"best by {found.metric}",
        zorder=4,
    )
    if found.failed:
        axes.plot(
            list(found.failed),
            [0] * len(found.failed),
            "x",
            color=BASELINE,
            label="probe failed",
            zorder=5,
            clip_on=False,
        )
    axes.set(xlabel="optimizer step", ylabel="nDCG@10, test queries")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=GRID)
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.18))
