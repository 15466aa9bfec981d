"""Pictures of decoders: loss and perplexity over the steps of a run, and what was forgotten against what was gained."""

from collections.abc import Sequence
from typing import Any

from common.report.palette import GRID, NOTE, SERIES, series
from common.report.plot import to_svg
from model.evaluation.interface.loss import draw_loss
from model.evaluation.interface.result import SweepResult
from model.evaluation.measures.perplexity.forgetting import Change, TextPerplexity

MARKERS = "osD^vPX*"
LINES = ("-", "--", ":", "-.")


def draw_perplexity(sweep: SweepResult, measured: Sequence[TextPerplexity]) -> str | None:
    """The SVG element: loss above, bits per byte of every text below, one step axis; None where perplexity was not
    measured."""
    if not measured:
        return None
    texts = list(dict.fromkeys((one.text, one.role) for one in measured))

    def fill(figure: Any) -> None:
        loss, bits = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
        draw_loss(loss, sweep)
        for number, (text, role) in enumerate(texts):
            rows, colour = [one for one in measured if one.text == text], series(number)
            steps, bounds = [one.step for one in rows], [one.intervals["byte"] for one in rows]
            line = "-" if role == "domain" else "--"
            bits.plot(
                steps,
                [one.values["byte"] for one in rows],
                line,
                color=colour,
                marker="o",
                markersize=3.5,
                label=f"{text}, {role}",
            )
            if None not in bounds:
                bits.fill_between(
                    steps, [b.low for b in bounds], [b.high for b in bounds], color=colour, alpha=0.18, linewidth=0
                )
        bits.axvline(sweep.best.step, color=SERIES[0], linewidth=1, alpha=0.5, label=f"best by {sweep.metric}")
        bits.set(xlabel="optimizer step", ylabel="bits per byte")
        bits.grid(axis="y", color=GRID)
        bits.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.18))

    return to_svg("perplexity", "Loss and bits per byte over the steps of the run", 5.0 + 0.18 * len(texts), fill)


def draw_forgetting(runs: Sequence[tuple[str, int, Sequence[Change]]]) -> str | None:
    """The SVG element: a point a checkpoint, its change of general perplexity to the right, that of the domain upwards,
    in percent of the first.

    ``runs`` are label, number of the colour, and changes by step; runs of one colour are told by one label. A marker a
    phase, where the checkpoints know theirs. None where nothing was measured on both sides."""
    runs = [run for run in runs if len(run[2]) > 1]
    if not runs:
        return None
    phases = list(dict.fromkeys(change.phase for *_, changes in runs for change in changes if change.phase))

    def fill(figure: Any) -> None:
        axes, shown = figure.subplots(), set()
        for label, number, changes in runs:
            _draw_run(axes, changes, series(number), None if number in shown else label, phases)
            shown.add(number)
        for place, phase in enumerate(phases):
            axes.plot([], [], MARKERS[(place + 1) % len(MARKERS)], color=NOTE, markersize=5, label=f"phase {phase}")
        axes.margins(0.14, 0.12)
        axes.axhline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
        axes.axvline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
        axes.set(
            xlabel="general perplexity, change in %\n(right: forgotten)",
            ylabel="domain perplexity, change in %\n(down: gained)",
        )
        axes.grid(color=GRID)
        if len(shown) > 1 or phases:
            axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.24))

    entries = len({number for _, number, _ in runs}) + len(phases)
    return to_svg(
        "forgetting",
        "Forgetting against gain, a point a checkpoint",
        3.4 + (0.18 * entries + 0.2 if entries > 1 else 0),
        fill,
    )


def _draw_run(axes: Any, changes: Sequence[Change], colour: str, label: str | None, phases: list[str]) -> None:
    """The checkpoints of a run, joined in their order, with crosses for the intervals; first and last step are
    named."""
    x, y = [change.general.mean for change in changes], [change.domain.mean for change in changes]
    axes.plot(x, y, color=colour, linewidth=1, alpha=0.7, label=label)
    axes.errorbar(
        x, y, xerr=_arms([change.general for change in changes]), yerr=_arms([change.domain for change in changes]),
        fmt="none",
        ecolor=colour, elinewidth=0.7, alpha=0.5,
    )  # fmt: skip
    for change in changes:
        marker = MARKERS[(phases.index(change.phase) + 1) % len(MARKERS)] if change.phase in phases else MARKERS[0]
        axes.plot([change.general.mean], [change.domain.mean], marker, color=colour, markersize=5, zorder=3)
    for change, place in ((changes[0], (0, 7)), (changes[-1], (0, -13))):
        where = (change.general.mean, change.domain.mean)
        axes.annotate(
            f"step {change.step}",
            where,
            xytext=place,
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color=colour,
        )


def _arms(found: list) -> list[list[float]]:
    """Lengths to both sides of the points."""
    return [[max(0.0, one.mean - one.low) for one in found], [max(0.0, one.high - one.mean) for one in found]]
