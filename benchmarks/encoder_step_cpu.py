"""Speed of a training step's forward and backward on one CPU thread, against transformers' ModernBERT: same weights,
documents, masks.

The update of the weights, the same work on both sides, is left out; planning of attention is counted, collation is not.
Loss and gradients are compared before anything is timed. Sides take turns in one process; CPU time decides, wall time
stands beside it.

  python -m benchmarks.encoder_step_cpu              about 3 minutes on an idle core
  python -m benchmarks.encoder_step_cpu --profile    where our time goes, by operator
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch starts

from dataclasses import dataclass

import torch

from benchmarks import measure
from benchmarks.documents import grouped, real_lengths
from benchmarks.encoder_sides import Ours, Theirs, Work, differences, fill
from benchmarks.record import keep
from conf.schema import EncoderConfig, ParallelConfig
from model.training.cost.flops import step_flops

VOCABULARY = 8192
SHAPE = EncoderConfig(
    vocab_size=VOCABULARY, num_layers=6, hidden_size=256, num_heads=4, ffn_size=384, max_positions=1024,
    attention_out_dropout=0.0
)  # fmt: skip
PARALLEL = ParallelConfig(threads=1)
PACK_TOKENS = 4096
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Case:
    """Documents of one length distribution, and how the peer gets them."""

    name: str
    lengths: list[int]
    """Tokens of each document."""
    batch: int
    """Documents of a batch of the peer, padded to the longest; in their order."""
    bar: float
    """How many times faster ours must be."""
    rounds: int
    """Turns of both sides."""


LENGTHS = [min(length, 1024) for length in real_lengths(VOCABULARY)]
CASES = [
    Case("grouped", grouped(LENGTHS, 8), 8, 1.2, 3),
    Case("padded", LENGTHS[:16], 16, 2.0, 3),
    Case("full_512", [512] * 8, 8, 1.0, 5),
    Case("full_1024", [1024] * 4, 4, 1.1, 5),
]


def prepare(case: Case, side: Ours | Theirs) -> measure.Step:
    """The step of one side over the documents of `case`, batches made."""
    work = Work.draw(case.lengths, VOCABULARY)
    parts = work.packs(PACK_TOKENS) if isinstance(side, Ours) else work.batches(case.batch)
    batches = [side.batch(part) for part in parts]
    return lambda: side.step(batches, work.predicted)


def measured(case: Case, ours: Ours, theirs: Theirs, rate: float) -> dict:
    """Times of both sides, which have run before, ratios, bar, and the floor: the step's arithmetic at the rate of
    matrix products."""
    times = measure.alternate({"ours": prepare(case, ours), "theirs": prepare(case, theirs)}, case.rounds, warm_up=0)
    work = Work.draw(case.lengths, VOCABULARY)
    tokens, floor = sum(case.lengths), step_flops(SHAPE, case.lengths, work.predicted) / rate
    ratios = {clock: measure.ratio(times["theirs"], times["ours"], clock) for clock in ("cpu", "wall")}
    found, filled = ratios["cpu"]["median"], fill(work.batches(case.batch))
    print(
        f"{case.name}: {found:.2f} times faster by CPU time (least {ratios['cpu']['least']:.2f}),"
        f" {ratios['wall']['median']:.2f} by wall time; bar {case.bar}; the peer's batches are {filled:.0%} full",
        flush=True,
    )
    return {
        "bar": case.bar,
        "holds": found >= case.bar,
        **{f"ratio_{clock}": figures for clock, figures in ratios.items()},
        "documents": len(case.lengths),
        "tokens": tokens,
        "peer_fill": filled,
        "seconds": {name: measure.summary(spent) for name, spent in times.items()},
        "tokens_per_second": {name: round(tokens / min(spent["cpu"])) for name, spent in times.items()},
        "floor_seconds": round(floor, 4),
        "ours_over_floor": round(min(times["ours"]["cpu"]) / floor, 2),
    }


def peak(case: Case, name: str) -> dict[str, float]:
    """Memory of one side alone; runs in a process of its own."""
    torch.set_num_threads(1)
    return measure.peak_memory(prepare(case, Ours(SHAPE, PARALLEL) if name == "ours" else Theirs(SHAPE, "sdpa")))


def profile(case: Case, ours: Ours) -> str:
    """Table of the operators that take most of our step."""
    step = prepare(case, ours)
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        step()
    return found.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=45)


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
    theirs = Theirs(SHAPE, "sdpa")
    theirs.load(ours.net, SHAPE)
    found = {
        case.name: differences(ours, theirs, SHAPE, Work.draw(case.lengths, VOCABULARY), PACK_TOKENS, 4)
        for case in cases
    }
    if max(max(d["loss_difference"], d["gradient_difference"]) for d in found.values()) > TOLERANCE:
        raise SystemExit(f"the two sides do not compute the same, so their times say nothing: {found}")
    rate = measure.matmul_rate(2048, 1024, 1024, torch.float32, torch.device("cpu"))
    figures = {case.name: found[case.name] | measured(case, ours, theirs, rate) for case in cases}
    if asked.case:
        return
    figures["grouped"]["memory"] = {name: measure.in_child(peak, CASES[0], name) for name in ("ours", "theirs")}
    print(keep("encoder_step_cpu", {"matmul_gflops": round(rate / 1e9, 1), "cases": figures}))


if __name__ == "__main__":
    main()
