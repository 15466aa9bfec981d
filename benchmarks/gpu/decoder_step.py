"""Everything about the decoder's step on one GPU in one call: Qwen3-1.7B at 4096 tokens, MFU, memory, top kernels,
beside transformers.

For each length distribution: loss and gradients of both sides compared; forward, loss and backward of both in turns
(bf16 weights); whole training steps of ours (gradient sums in fp32, clipping, update with fp32 master weights); whole
steps of transformers' net as the Trainer makes them (`Trainer` below), compiled and not, with fp32 weights under
autocast and with bf16 weights alone. Whole steps take the largest micro-batch that fits, or a smaller one where that is
faster. The result is written after every measurement, and one that fails does not keep the others from being made.

  python -m benchmarks.gpu.decoder_step --out FOLDER    about 12 minutes on an H200, most of them in the peer's compiler
  python -m benchmarks.gpu.decoder_step --out FOLDER --small     a rehearsal of the same code in a minute on a CPU
"""

import argparse
import dataclasses
import gc
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

from benchmarks import measure
from benchmarks.decoder_sides import Ours, Theirs, differences, draw, filled
from benchmarks.documents import real_lengths
from benchmarks.encoder_sides import Work
from benchmarks.gpu.encoder_step import GIB, attempt, ceilings, device_name, fitting, growth, kernels, mfu
from benchmarks.nets import net as read_net
from benchmarks.record import keep
from conf.schema import CausalConfig, DecoderConfig, OptimConfig, ParallelConfig
from model.megatron.optimizer import build_optimizer
from model.megatron.step import distribute, train_step
from model.training.cost.flops import step_flops

NET = "decoder/qwen3_1_7b"
PARALLEL = ParallelConfig(precision="bf16")
OBJECTIVE = CausalConfig(chunk_tokens=4096, by_source=False)
CLIP = 1.0
GOAL = 0.45
"""MFU of `full.train`."""
TOLERANCE = 0.1
"""Largest relative difference of a gradient: both sides round to bf16 throughout, so this finds a wrong net, not a
rounding."""
GAIN = 1.02
"""A smaller micro-batch is tried further as long as it is faster by this."""


@dataclasses.dataclass(frozen=True)
class Case:
    """The net on documents of one length distribution."""

    name: str
    net: DecoderConfig
    lengths: list[int]
    """Tokens of each document; together they fill rows."""
    row: int
    """Tokens of a row: of a pack of the data order."""
    rounds: int
    """Turns."""

    @property
    def rows(self) -> int:
        """Rows of a step."""
        return sum(self.lengths) // self.row

    def work(self) -> Work:
        """The documents."""
        return draw(self.lengths, self.net.vocab_size)


def cases(small: bool) -> list[Case]:
    """Rows that one document fills, and rows of documents as long as real ones."""
    net, row, rows, rounds = read_net(NET), 4096, 16, 5
    if small:
        net = dataclasses.replace(
            net, vocab_size=1187, num_layers=2, hidden_size=64, num_heads=4, num_kv_heads=2, head_width=16, ffn_size=96
        )  # fmt: skip
        row, rows, rounds = 64, 2, 2
    lengths = [length // (16 if small else 1) + 1 for length in real_lengths(59_008)]
    return [Case("full", net, [row] * rows, row, rounds), Case("packed", net, filled(lengths, row, rows), row, rounds)]


def compare(case: Case, attention: str) -> dict:
    """Forward, loss and backward of both sides, theirs with `attention` and not compiled."""
    work = case.work()
    ours = Ours(case.net, PARALLEL, OBJECTIVE)
    theirs = Theirs(case.net, "packed", case.row, attention, torch.bfloat16, ours.world.device)
    theirs.load(ours.net, case.net)
    same = differences(ours, theirs, case.net, work.packs(case.row)[0], case.row)
    found = {
        name: fitting(prepare(side, work, case.row), case.rows) for name, side in (("ours", ours), ("theirs", theirs))
    }
    steps = {name: step for name, (step, _) in found.items()}
    times = measure.alternate(steps, case.rounds, warm_up=2)
    return {
        **same,
        "agrees": same["gradient_difference"] < TOLERANCE,
        "ratio": measure.ratio(times["theirs"], times["ours"], "wall"),
        "seconds": {name: measure.summary(spent) for name, spent in times.items()},
        "tokens_per_second": {name: round(sum(case.lengths) / min(spent["wall"])) for name, spent in times.items()},
        "mfu": {name: mfu(case.net, work, min(spent["wall"])) for name, spent in times.items()},
        "memory_gib": {"ours": growth(steps["ours"], ours), "theirs": growth(steps["theirs"], theirs)},
        "micro_batch": {name: size for name, (_, size) in found.items()},
    }


def prepare(side: Ours | Theirs, work: Work, row: int) -> Callable[[int], measure.Step]:
    """For a micro-batch of so many rows, forward and backward of one side over all of `work`."""

    def make(rows: int) -> measure.Step:
        batches = [side.batch(part) for part in work.packs(rows * row)]
        return lambda: side.step(batches, work.predicted)

    return make


def train(case: Case) -> dict:
    """Whole training steps of ours."""
    ours = Ours(case.net, PARALLEL, OBJECTIVE)
    model = distribute(ours.net, PARALLEL)
    optimizer = build_optimizer(model, OptimConfig(clip_grad=CLIP), PARALLEL)
    work = case.work()

    def make(rows: int) -> measure.Step:
        packs = [ours.batch(part) for part in work.packs(rows * case.row)]
        return lambda: train_step(model, optimizer, ours.objective.loss, packs)

    return searched(case, make)


class Trainer:
    """A training step as transformers' Trainer makes it on one GPU: no more than it has to do, and nothing that it does
    besides."""

    def __init__(self, case: Case, compiled: bool, autocast: bool):
        """`autocast`: fp32 weights, products in bf16 (the Trainer's `bf16=True`); else weights, gradients and moments
        in bf16."""
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.side = Theirs(
            case.net, "packed", case.row, "sdpa", torch.float32 if autocast else torch.bfloat16, self.device
        )
        if compiled:
            torch._dynamo.reset()
            self.side.compile()
        self.autocast = autocast
        fused = self.device.type == "cuda"
        self.optimizer = torch.optim.AdamW(self.side.net.parameters(), lr=1e-5, weight_decay=0.0, fused=fused)

    def step(self, batches: Sequence, predicted: int) -> None:
        """Accumulate over `batches`, clip, update."""
        torch.use_deterministic_algorithms(False)
        for batch in batches:
            with torch.autocast(self.device.type, torch.bfloat16) if self.autocast else nullcontext():
                loss = self.side.forward(**batch.arguments(), num_items_in_batch=predicted).loss
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.side.net.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()


def train_theirs(case: Case, compiled: bool, autocast: bool) -> dict:
    """Whole training steps of transformers' net."""
    trainer, work = Trainer(case, compiled, autocast), case.work()

    def make(rows: int) -> measure.Step:
        batches = [trainer.side.batch(part) for part in work.packs(rows * case.row)]
        return lambda: trainer.step(batches, work.predicted)

    return searched(case, make)


def searched(case: Case, make: Callable[[int], measure.Step]) -> dict:
    """Figures of the fastest micro-batch: the largest that fits, then half of it as long as that is faster."""
    best, rows, tried = None, case.rows, {}
    while rows:
        step, rows = fitting(make, rows)
        found = figures(case, step)
        tried[rows] = found["tokens_per_second"]
        if best and found["tokens_per_second"] < GAIN * best["tokens_per_second"]:
            break
        best = found | {"micro_batch": rows}
        rows //= 2
        step = None
        gc.collect()
    return best | {"tried": tried, "kernels": kernels(fitting(make, best["micro_batch"])[0])}


def figures(case: Case, step: measure.Step) -> dict:
    """Times, MFU and memory (of everything: weights, moments, activations) of a step that has run."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    times = measure.alternate({"step": step}, case.rounds, warm_up=1)["step"]
    return {
        "seconds": measure.summary(times),
        "tokens_per_second": round(sum(case.lengths) / min(times["wall"])),
        "mfu": mfu(case.net, case.work(), min(times["wall"])),
        "memory_gib": round(torch.cuda.max_memory_allocated() / GIB, 2) if torch.cuda.is_available() else None,
    }


def tasks(case: Case, compiler: bool) -> dict[str, tuple]:
    """What is measured of a case, what matters most first."""
    compiled = {
        "trainer_compiled": (train_theirs, case, True, True),
        "trainer_compiled_bf16": (train_theirs, case, True, False),
    }
    plain = {"trainer": (train_theirs, case, False, True), "sdpa": (compare, case, "sdpa")}
    return {"train": (train, case), **(compiled if compiler else {}), **plain}


def line(name: str, found: dict) -> str:
    """One measurement, for the terminal."""
    if "error" in found:
        return f"{name}: {found['error'][:150]}"
    doubt = (
        ""
        if found.get("agrees", True)
        else f"NOT THE SAME NET (gradients differ by {found['gradient_difference']:.2g}); "
    )
    return (
        f"{name}: {doubt}tokens/s {found['tokens_per_second']}, MFU {found['mfu']}, GiB {found['memory_gib']}, "
        f"micro-batch {found['micro_batch']}, ratio {found.get('ratio')}"
    )


def verdict(found: dict) -> dict:
    """Ours against the goal and against every whole step of the peer, over full rows."""
    full = found["cases"]["full"]
    ours = full["train"]
    if "error" in ours:
        return {}
    peers = {name: of for name, of in full.items() if name.startswith("trainer") and "error" not in of}
    faster = {
        f"times_{name}": round(ours["tokens_per_second"] / of["tokens_per_second"], 3) for name, of in peers.items()
    }
    return {
        "goal_mfu": GOAL,
        "mfu": ours["mfu"],
        "holds": None if ours["mfu"] is None else ours["mfu"] >= GOAL,
        **faster,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every case; ends with status 1 where something that should run did not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for decoder_step.json")
    parser.add_argument(
        "--small",
        "--smoke",
        action="store_true",
        help="a tiny net and documents: a rehearsal, its figures mean nothing",
    )
    parser.add_argument("--commit", default="", help="commit of a copy that has no history of its own")
    asked = parser.parse_args(arguments)
    chosen = cases(asked.small)
    per_token = step_flops(chosen[0].net, chosen[0].lengths, chosen[0].work().predicted) / sum(chosen[0].lengths)
    found: dict = {"device": device_name(), "small": asked.small, "ceilings": attempt(ceilings, chosen[0].net)}
    found |= {"gflops_per_token": round(per_token / 1e9, 3), "cases": {}}
    if asked.commit:
        found["commit"] = asked.commit
    failed = False
    for case in chosen:
        found["cases"][case.name] = {"documents": len(case.lengths), "tokens": sum(case.lengths)}
        for name, task in tasks(case, compiler=torch.cuda.is_available()).items():
            result = found["cases"][case.name][name] = attempt(*task)
            failed |= "error" in result or not result.get("agrees", True)
            print(line(f"{case.name} {name}", result), flush=True)
            found["verdict"] = verdict(found)
            path = keep("decoder_step", found, asked.out)
    print(found["verdict"], path, sep="\n")
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
