"""Everything about the encoder's step on one GPU in one call: tokens per second, MFU, memory, top kernels, beside
transformers' ModernBERT.

For each net and length distribution: loss and gradients of both sides compared; forward and backward of both in turns
(no dropout, bf16 weights); then whole training steps of ours (dropout, gradient sums in fp32, update with fp32 master
weights), with their memory and kernels. The result is written after every case, and a case that fails does not keep the
others from being measured.

  python -m benchmarks.gpu.encoder_step --out FOLDER             about 5 minutes on an H200
  python -m benchmarks.gpu.encoder_step --out FOLDER --small     a rehearsal of the same code in a minute on a CPU
"""

import argparse
import dataclasses
import gc
import importlib.util
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks import measure
from benchmarks.documents import grouped, real_lengths
from benchmarks.encoder_sides import Ours, Theirs, Work, differences, fill
from benchmarks.nets import net as read_net
from benchmarks.record import keep
from conf.schema import EncoderConfig, OptimConfig, ParallelConfig
from model.megatron.optimizer import build_optimizer
from model.megatron.step import distribute, train_step
from model.objectives.mlm import Mlm
from model.training.cost.flops import peak_flops, step_flops, utilisation

PARALLEL = ParallelConfig(precision="bf16")
GIB = 2**30
TOLERANCE = 0.1
"""Largest relative difference of a gradient: both sides round to bf16 throughout, so this finds a wrong net, not a
rounding."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One net on documents of one length distribution."""

    name: str
    net: EncoderConfig
    """Without dropout."""
    lengths: list[int]
    """Tokens of each document."""
    batch: int
    """Documents of a batch of the peer, padded to the longest."""
    tokens: int
    """Tokens of a pack; both sides take half as much at a time until it fits into memory."""
    rounds: int
    """Turns of both sides."""


def cases(small: bool) -> list[Case]:
    """Base and large: full length 1024, and real lengths cut there, of which the peer gets batches by length or as they
    come."""
    found, shrink = [], 16 if small else 1
    longest, rounds = 1024 // shrink, 2 if small else 10
    for name, documents in (("base", 96), ("large", 48)):
        net = read_net(f"encoder/mursit_{name}")
        net = dataclasses.replace(net, attention_out_dropout=0.0)
        lengths = [min(length // shrink, longest) for length in real_lengths(net.vocab_size)]
        if small:
            documents = 4
            net = dataclasses.replace(
                net, num_layers=4, hidden_size=64, num_heads=2, ffn_size=96, vocab_size=59_008 // 64
            )
        tokens = documents * longest
        found += [
            Case(f"{name}_full", net, [longest] * documents, documents, tokens, rounds),
            Case(f"{name}_grouped", net, grouped(lengths, documents // 2), documents // 2, tokens, rounds),
            Case(f"{name}_padded", net, lengths[: 2 * documents], documents, tokens, rounds),
        ]
    return found[::3] + found[1::3] + found[2::3]  # what matters most first


def fitting(make: Callable[[int], measure.Step], size: int) -> tuple[measure.Step, int]:
    """`make(size)` and `size`, halved until the step runs in the memory there is."""
    while True:
        try:
            step = make(size)
            step()
            return step, size
        except torch.OutOfMemoryError:
            step = None
            size //= 2
        gc.collect()
        torch.cuda.empty_cache()
        if not size:
            raise MemoryError("not even one document fits")


def prepare(side: Ours | Theirs, work: Work) -> Callable[[int], measure.Step]:
    """For a size, tokens of a pack of ours or documents of a batch of theirs, the step over all of `work`."""

    def make(size: int) -> measure.Step:
        batches = [side.batch(part) for part in (work.packs(size) if isinstance(side, Ours) else work.batches(size))]
        return lambda: side.step(batches, work.predicted)

    return make


def growth(step: measure.Step, side: Ours | Theirs) -> float | None:
    """GiB that the step takes at most beside the weights: gradients and activations. None without a GPU."""
    if not torch.cuda.is_available():
        return None
    side.net.zero_grad(set_to_none=True)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step()
    return round((torch.cuda.max_memory_allocated() - before) / GIB, 2)


def compare(case: Case, attention: str) -> dict:
    """Forward and backward of both sides, theirs with `attention`."""
    work = Work.draw(case.lengths, case.net.vocab_size)
    ours = Ours(case.net, PARALLEL)
    theirs = Theirs(case.net, attention, torch.bfloat16, ours.world.device)
    theirs.load(ours.net, case.net)
    probe = work.part(range(0, len(case.lengths), max(1, len(case.lengths) // 8)))
    same = differences(ours, theirs, case.net, probe, case.tokens, 4)
    step, tokens = fitting(prepare(ours, work), case.tokens)
    their_step, batch = fitting(prepare(theirs, work), case.batch)
    memory = {"ours": growth(step, ours), "theirs": growth(their_step, theirs)}
    times = measure.alternate({"ours": step, "theirs": their_step}, case.rounds, warm_up=2)
    return {
        **same,
        "agrees": same["gradient_difference"] < TOLERANCE,
        "ratio": measure.ratio(times["theirs"], times["ours"], "wall"),
        "seconds": {name: measure.summary(spent) for name, spent in times.items()},
        "tokens_per_second": {name: round(sum(case.lengths) / min(spent["wall"])) for name, spent in times.items()},
        "mfu": {name: mfu(case.net, work, min(spent["wall"])) for name, spent in times.items()},
        "memory_gib": memory,
        "pack_tokens": tokens,
        "peer_batch": batch,
        "peer_fill": fill(work.batches(batch)),
    }


def mfu(net: EncoderConfig, work: Work, seconds: float) -> float | None:
    """Share of the device's dense bf16 peak; None on a device whose peak is not known."""
    share = utilisation(step_flops(net, work.lengths, work.predicted), seconds, peak_flops(device_name(), "bf16"))
    return share and round(share, 4)


def device_name() -> str:
    """Name of the GPU, or `cpu`."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def train(case: Case) -> dict:
    """Whole training steps of ours: packs, gradient sums, update. Memory is that of everything: weights, moments,
    activations."""
    net = dataclasses.replace(case.net, attention_out_dropout=0.1)
    ours = Ours(net, PARALLEL)
    model = distribute(ours.net, PARALLEL)
    optimizer = build_optimizer(model, OptimConfig(), PARALLEL)
    work = Work.draw(case.lengths, net.vocab_size)

    def make(tokens: int) -> measure.Step:
        packs = [ours.batch(part) for part in work.packs(tokens)]
        return lambda: train_step(model, optimizer, Mlm.loss, packs)

    step, tokens = fitting(make, case.tokens)
    memory = None
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        step()
        memory = round(torch.cuda.max_memory_allocated() / GIB, 2)
    times = measure.alternate({"step": step}, case.rounds, warm_up=2)["step"]
    return {
        "seconds": measure.summary(times),
        "tokens_per_second": round(sum(case.lengths) / min(times["wall"])),
        "mfu": mfu(net, work, min(times["wall"])),
        "memory_gib": memory,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "pack_tokens": tokens,
        "kernels": kernels(step),
    }


def kernels(step: measure.Step, rows: int = 25) -> list[dict]:
    """What takes most of the device's time in one step: name, calls, milliseconds, share."""
    gpu = torch.cuda.is_available()
    activities = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if gpu else [])]
    with torch.profiler.profile(activities=activities) as found:
        step()
        measure.settle()
    events = [event for event in found.key_averages() if not gpu or event.device_type == torch.autograd.DeviceType.CUDA]
    spent = {
        event.key: (event.self_device_time_total if gpu else event.self_cpu_time_total, event.count) for event in events
    }
    total = sum(time for time, _ in spent.values()) or 1
    most = sorted(spent.items(), key=lambda item: -item[1][0])[:rows]
    return [
        {"name": name[:120], "calls": calls, "milliseconds": round(time / 1e3, 3), "share": round(time / total, 4)}
        for name, (time, calls) in most
    ]


def ceilings(net: EncoderConfig) -> dict:
    """What the device does at best: TFLOP/s of a large bf16 product and of one of the net's shape, TB/s of a copy."""
    if not torch.cuda.is_available():
        return {}
    device = torch.device("cuda")
    source = torch.randn(2**30, device=device)
    target = torch.empty_like(source)
    times = measure.alternate({"copy": lambda: target.copy_(source)}, 10)["copy"]["wall"]
    return {
        "square_tflops": round(measure.matmul_rate(8192, 8192, 8192, torch.bfloat16, device) / 1e12, 1),
        "net_tflops": round(
            measure.matmul_rate(65_536, net.hidden_size, 3 * net.hidden_size, torch.bfloat16, device) / 1e12, 1
        ),
        "copy_tb_per_second": round(2 * source.nbytes / min(times) / 1e12, 2),
    }


def attempt(function: Callable, *arguments: object) -> dict:
    """What `function` finds, or the error that kept it from finding it."""
    try:
        return function(*arguments)
    except Exception as error:  # the machine is there for minutes: measure what can be measured
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {str(error)[:2000]}"}
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def line(name: str, found: dict) -> str:
    """One case, for the terminal."""
    if "error" in found:
        return f"{name}: {found['error'][:150]}"
    doubt = (
        ""
        if found.get("agrees", True)
        else f"NOT THE SAME NET (gradients differ by {found['gradient_difference']:.2g}); "
    )
    speed = found["tokens_per_second"]
    return f"{name}: {doubt}tokens/s {speed}, MFU {found['mfu']}, GiB {found['memory_gib']}, ratio {found.get('ratio')}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every case; ends with status 1 where something that should run did not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for encoder_step.json")
    parser.add_argument(
        "--small", action="store_true", help="tiny nets and documents: a rehearsal, its figures mean nothing"
    )
    parser.add_argument("--commit", default="", help="commit of a copy that has no history of its own")
    asked = parser.parse_args(arguments)
    chosen = cases(asked.small)
    found: dict = {
        "device": device_name(),
        "small": asked.small,
        "ceilings": attempt(ceilings, chosen[0].net),
        "cases": {},
    }
    if asked.commit:
        found["commit"] = asked.commit
    attentions = ["sdpa", *(["flash_attention_2"] if importlib.util.find_spec("flash_attn") else [])]
    failed = False
    for case in chosen:
        found["cases"][case.name] = {"documents": len(case.lengths), "tokens": sum(case.lengths)}
        for name, task in {"train": (train, case), **{name: (compare, case, name) for name in attentions}}.items():
            result = found["cases"][case.name][name] = attempt(*task)
            failed |= "error" in result or not result.get("agrees", True)
            print(line(f"{case.name} {name}", result), flush=True)
            path = keep("encoder_step", found, asked.out)
    print(path)
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
