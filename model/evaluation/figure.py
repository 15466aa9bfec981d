"""Loss and retrieval over the steps of a run, as one SVG that scales with the page."""

import json
from pathlib import Path
from typing import Any

from common.layout import METRICS
from model.evaluation.svg import to_svg
from model.evaluation.sweep import NDCG, SweepResult
from model.evaluation.table import READS, beside, loss_kind, loss_name, loss_of

MAIN, BESIDE, LOSS, VALIDATION, UNTRAINED, WORDS = (
    "#0b6e99",
    ("#c4570a", "#7a4fa3", "#5b7f2b"),
    "#9a9a9a",
    "#222222",
    "#b3261e",
    "#3d6b35",
)


def training_curve(run: Path) -> tuple[list[int], list[float]]:
    """Steps and training losses of metrics.jsonl; of a step that stands there twice (after a resume) the last one."""
    file, found = run / METRICS, {}
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # cut off by a kill
                continue
            if isinstance(record.get("loss"), int | float):
                found[record["step"]] = record["loss"]
    return sorted(found), [found[step] for step in sorted(found)]


def draw(found: SweepResult) -> str:
    """The SVG element: loss above, nDCG@10 on the test queries below, one step axis. Small enough to be read on a
    phone."""

    def fill(figure: Any) -> None:
        loss, retrieval = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
        draw_loss(loss, found)
        _draw_retrieval(retrieval, found)

    return to_svg("run", f"{loss_name(found)} and retrieval over the steps of the run", 6.4, fill)


def draw_loss(axes: Any, found: SweepResult) -> None:
    """The curve of the training, and the loss at the checkpoints."""
    steps, losses = training_curve(found.run)
    if steps:
        axes.plot(steps, losses, color=LOSS, linewidth=1, label="train")
    kind = loss_kind(found.results)
    points = [(result.step, value) for result in found.results if (value := loss_of(result, kind)) is not None]
    if points:
        axes.plot(
            *zip(*points, strict=True),
            color=VALIDATION,
            marker="o",
            markersize=3.5,
            linewidth=1,
            label=f"{kind}, at checkpoints",
        )
        axes.legend()
    axes.set_ylabel(loss_name(found))
    axes.grid(axis="y", color="#eeeeee")


def _draw_retrieval(axes: Any, found: SweepResult) -> None:
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
            color=UNTRAINED,
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
            color=UNTRAINED,
            label="probe failed",
            zorder=5,
            clip_on=False,
        )
    axes.set(xlabel="optimizer step", ylabel="nDCG@10, test queries")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#eeeeee")
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.18))
