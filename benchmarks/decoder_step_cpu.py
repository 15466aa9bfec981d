"""Speed of a training step's forward, loss and backward on one CPU thread, against transformers' Qwen3: same weights,
same packs.

transformers gets the documents in two ways, packed in rows (positions that restart tell them apart) and a padded row
each, and is judged by the faster. The update of the weights, the same work on both sides, is left out; planning of
attention is counted, on both sides, and collation is not. Logits, loss and gradients are compared before anything is
timed. Sides take turns in one process; CPU time decides, wall time stands beside it. Memory is the peak of a process of
its own for each side.

  python -m benchmarks.decoder_step_cpu              about 4 minutes on an idle core
  python -m benchmarks.decoder_step_cpu --profile    where our time goes, by operator
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch starts

from dataclasses import dataclass

import torch

from benchmarks import measure
from benchmarks.decoder_sides import LAYOUTS, Ours, Theirs, differences, draw, filled
from benchmarks.documents import real_lengths
from benchmarks.encoder_sides import Work, fill
from benchmarks.nets import net
from benchmarks.record import keep
from conf.schema import ParallelConfig
from model.training.cost.flops import step_flops

SHAPE = net("decoder/tiny")
PARALLEL = ParallelConfig(threads=1)
TOLERANCE = 1e-4
ROW, PACK_TOKENS = 1024, 4096
ROUNDS = 9
"""Turns of every side; from the second least to the second greatest of so many ratios is a 96% interval of their
median."""


@dataclass(frozen=True)
class Case:
    """Documents of one length distribution."""

    name: str
    lengths: list[int]
    """Tokens of each document."""
    bar: float
    """How many times faster ours must be."""

    @property
    def layouts(self) -> tuple[str, ...]:
        """How the peer gets them; where every document fills a row, both ways are one."""
        return LAYOUTS if set(self.lengths) != {ROW} else LAYOUTS[:1]

    def work(self) -> Work:
        """The documents."""
        return draw(self.lengths, SHAPE.vocab_size)


LENGTHS = real_lengths(SHAPE.vocab_size)
CASES = [
    Case("packed", filled(LENGTHS, ROW, 4), 1.2),
    Case("full", [ROW] * 4, 1.2),
]


def prepare(case: Case, side: Ours | Theirs) -> measure.Step:
    """The step of one side over the packs of `case`, batches made."""
    work = case.work()
    batches = [side.batch(part) for part in work.packs(PACK_TOKENS)]
    return lambda: side.step(batches, work.predicted)


def measured(case: Case, sides: dict[str, Ours | Theirs], rate: float) -> dict:
    """Times of all sides, which have run before, ratios, bar, and the floor: the step's arithmetic at the rate of
    matrix products."""
    times = measure.alternate({name: prepare(case, sides[name]) for name in ("ours", *case.layouts)}, ROUNDS, warm_up=0)
    work, tokens = case.work(), sum(case.lengths)
    floor = step_flops(SHAPE, case.lengths, work.predicted) / rate
    ratios = {
        layout: {clock: ratio(times[layout], times["ours"], clock) for clock in ("cpu", "wall")}
        for layout in case.layouts
    }
    faster = min(case.layouts, key=lambda layout: ratios[layout]["cpu"]["median"])
    found = ratios[faster]["cpu"]
    print(
        f"{case.name}: {found['median']:.2f} [{found['low']:.2f}, {found['high']:.2f}] times faster by CPU time than"
        f" transformers ({faster}), {ratios[faster]['wall']['median']:.2f} by wall time; bar {case.bar}",
        flush=True,
    )
    return {
        "bar": case.bar,
        "holds": found["median"] >= case.bar,
        "against": faster,
        "ratios": ratios,
        "documents": len(case.lengths),
        "tokens": tokens,
        "padded_fill": fill(work.packs(PACK_TOKENS)),
        "seconds": {name: measure.summary(spent) for name, spent in times.items()},
        "tokens_per_second": {name: round(tokens / min(spent["cpu"])) for name, spent in times.items()},
        "floor_seconds": round(floor, 4),
        "ours_over_floor": round(min(times["ours"]["cpu"]) / floor, 2),
    }


def ratio(theirs: dict[str, list[float]], ours: dict[str, list[float]], clock: str) -> dict[str, float]:
    """How many times faster ours is, round by round: median, its 96% interval (order statistics), and the ratio of the
    least times."""
    by_round = sorted(a / b for a, b in zip(theirs[clock], ours[clock], strict=True))
    interval = {"low": round(by_round[1], 3), "high": round(by_round[-2], 3)}
    return measure.ratio(theirs, ours, clock) | interval


def peak(case: Case, name: str) -> dict[str, float]:
    """Memory of one side alone; runs in a process of its own."""
    torch.set_num_threads(1)
    return measure.peak_memory(prepare(case, Ours(SHAPE, PARALLEL) if name == "ours" else Theirs(SHAPE, name, ROW)))


def profile(case: Case, ours: Ours) -> str:
    """Table of the operators that take most of our step."""
    step = prepare(case, ours)
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        step()
    return found.key_averages().table(sort_by="self_cpu_time_total", row_limit=30, max_name_column_width=45)


def main() -> None:
    """Compare, measure every case, keep the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--profile", action="store_true", help="print the operators of our step for every case, and measure nothing"
    )
    parser.add_argument("--case", choices=[case.name for case in CASES], help="this case alone; nothing is written")
    asked = parser.parse_args()
    cases = [case for case in CASES if asked.case in (None, case.name)]
    ours = Ours(SHAPE, PARALLEL)
    if asked.profile:
        for case in cases:
            print(case.name, profile(case, ours), sep="\n")
        return
    theirs = {layout: Theirs(SHAPE, layout, ROW) for layout in LAYOUTS}
    found = {}
    for layout, side in theirs.items():
        side.load(ours.net, SHAPE)
        found[layout] = {case.name: differences(ours, side, SHAPE, case.work(), PACK_TOKENS) for case in cases}
    if (
        max(
            value
            for of in found.values()
            for d in of.values()
            for key, value in d.items()
            if key.endswith("difference")
        )
        > TOLERANCE
    ):
        raise SystemExit(f"the sides do not compute the same, so their times say nothing: {found}")
    rate = measure.matmul_rate(2048, 1024, 1024, torch.float32, torch.device("cpu"))
    figures = {case.name: measured(case, {"ours": ours, **theirs}, rate) for case in cases}
    if asked.case:
        return
    for case in cases:
        figures[case.name]["differences"] = {layout: found[layout][case.name] for layout in case.layouts}
        figures[case.name]["memory"] = {name: measure.in_child(peak, case, name) for name in ("ours", *case.layouts)}
    print(keep("decoder_step_cpu", {"matmul_gflops": round(rate / 1e9, 1), "cases": figures}))


if __name__ == "__main__":
    main()
