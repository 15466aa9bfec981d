"""Cost model of a training step: memory of a GPU and time, from net, layout and hardware. The formulas are explained in docs/scaling.md.

python -m benchmarks.scaling           the table of the paper's runs, under stated assumptions
python -m benchmarks.scaling --check   activation bytes of small nets, counted in the real forward pass, beside the formula
"""

import argparse
import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import yaml

from conf.schema import EncoderConfig, ParallelConfig
from model.training.flops import parameter_count, step_flops

MASK_RATE = 0.3
NETS = Path(__file__).parents[1] / "conf" / "model" / "encoder"

COLUMNS = [
    "net", "GPUs", "recompute", "packs a micro-batch", "state, GB", "activations, GB", "FLOPs a token", "step, s", "of it traffic",
    "GPU hours at 30 / 40 / 50% MFU",
]  # fmt: skip


@dataclass(frozen=True)
class Hardware:
    """One GPU and its links."""

    peak: float = 9.895e14
    """Dense bf16 FLOP/s."""
    mfu: float = 0.4
    """Share of it that the net's arithmetic reaches: an assumption until it is measured."""
    inside: float = 3.0e11
    """Bytes per second and GPU, one way, to GPUs of the same node."""
    between: float = 2.5e10
    """Likewise to GPUs of other nodes: one 200 Gb/s port a GPU, and a ring over whole nodes uses all ports of a node at once."""
    node: int = 4
    """GPUs of a node."""


@dataclass(frozen=True)
class Layout:
    """How a step is laid out."""

    gpus: int
    """All GPUs."""
    length: int
    """Tokens of a document (packs are full)."""
    micro_batch: int
    """Packs of one forward pass of one rank."""
    global_batch: int
    """Packs of a step over all ranks."""
    parallel: ParallelConfig
    """Tensor and pipeline size, precision, recomputation, sharded optimizer."""

    @property
    def data(self) -> int:
        """Data-parallel size."""
        return self.gpus // (self.parallel.tensor * self.parallel.pipeline)

    @property
    def micro_batches(self) -> int:
        """Forward passes of a rank in one step."""
        return math.ceil(self.global_batch / (self.data * self.micro_batch))


def state_bytes(net: EncoderConfig, layout: Layout) -> float:
    """Weights, gradient sums, master weights and moments on one rank."""
    parallel = layout.parallel
    kept, sharded = (6, 12) if parallel.precision == "bf16" else (8, 8)
    share = layout.data if parallel.distributed_optimizer else 1
    return parameter_count(net) / (parallel.tensor * parallel.pipeline) * (kept + sharded / share)


def layer_bytes(net: EncoderConfig, parallel: ParallelConfig) -> float:
    """Activations that one layer keeps of one token until its backward pass, dropout's mask aside."""
    size, h, f, t = 2 if parallel.precision == "bf16" else 4, net.hidden_size, net.ffn_size, parallel.tensor
    whole = t if parallel.sequence else 1
    if parallel.recompute == "full":
        return size * h / whole
    attention = 4 if parallel.recompute == "selective" else 6  # q, k, v as projected, output; and q, k as rotated
    return size * (4 * h / whole + attention * h / t + 3 * f / t)


def activation_bytes(net: EncoderConfig, layout: Layout) -> float:
    """Most activations that one rank (of the first pipeline stage) holds, and the logits of one micro-batch."""
    parallel = layout.parallel
    tokens, layers = layout.micro_batch * layout.length, net.num_layers / parallel.pipeline
    held = min(parallel.pipeline, layout.micro_batches) * tokens
    mask = net.hidden_size * layers * (net.attention_out_dropout > 0 and parallel.recompute != "full")
    once = layer_bytes(net, dataclasses.replace(parallel, recompute="none")) if parallel.recompute == "full" else 0
    logits = MASK_RATE * (6 if parallel.precision == "bf16" else 8) * net.vocab_size / parallel.tensor
    return held * (layers * layer_bytes(net, parallel) + mask) + tokens * (once + logits)


def step_seconds(net: EncoderConfig, layout: Layout, hardware: Hardware) -> dict[str, float]:
    """Seconds of one step: arithmetic, tensor-parallel and data-parallel traffic (nothing overlaps), pipeline bubble."""
    parallel, n = layout.parallel, layout.micro_batches
    lengths = [layout.length] * layout.global_batch
    flops = step_flops(net, lengths, round(MASK_RATE * sum(lengths)))
    if parallel.recompute == "full":
        flops *= 4 / 3
    arithmetic = flops / (layout.gpus * hardware.peak * hardware.mfu)
    t, d, p = parallel.tensor, layout.data, parallel.pipeline
    reduced = 2 * (t - 1) / t * 2 * net.hidden_size * layout.micro_batch * layout.length  # bytes of one all-reduce of bf16 states
    tensor = n * net.num_layers / p * 4 * reduced / hardware.inside
    weights = parameter_count(net) / (t * p)
    link = hardware.inside if layout.gpus <= hardware.node else hardware.between * max(1, hardware.node // t)
    data = (d - 1) / d * weights * (4 + 2 if parallel.distributed_optimizer else 4 + 4) / link
    return {"arithmetic": arithmetic, "tensor": tensor, "data": data, "bubble": (p - 1) / n * (arithmetic + tensor)}


def paper(name: str) -> tuple[EncoderConfig, int, int]:
    """Net, length and global batch of an experiment."""
    net = EncoderConfig(**yaml.safe_load((NETS / f"mursit_{name}.yaml").read_text(encoding="utf-8")))
    return net, *((1024, 4608) if name == "base" else (2048, 2304))


def table(tokens: float = 112.7e9) -> None:
    """Memory, step time and GPU hours of both nets on some layouts."""
    print("| " + " | ".join(COLUMNS) + " |")
    print("|---" * len(COLUMNS) + "|")
    for name in ("base", "large"):
        net, length, batch = paper(name)
        for gpus, recompute, packs in ((4, "none", 64), (32, "none", 48), (32, "full", 144), (128, "none", 36)):
            micro = packs if name == "base" else packs // 4
            layout = Layout(gpus, length, micro, batch, ParallelConfig(precision="bf16", recompute=recompute))
            hours, spent = [], {}
            for mfu in (0.5, 0.4, 0.3):
                spent = step_seconds(net, layout, Hardware(mfu=mfu))
                hours.append(sum(spent.values()) * gpus / 3600 * tokens / (batch * length))
                if mfu == 0.4:
                    at_40 = spent
            flops = step_flops(net, [length], round(MASK_RATE * length)) / length
            total = sum(at_40.values())
            print(
                f"| {name} | {gpus} | {recompute} | {micro} | {state_bytes(net, layout) / 1e9:.1f} | "
                f"{activation_bytes(net, layout) / 1e9:.0f} | {flops / 1e9:.2f}e9 | {total:.2f} | {1 - at_40['arithmetic'] / total:.1%} | "
                f"{hours[2]:,.0f} / {hours[1]:,.0f} / {hours[0]:,.0f} |"
            )


def check() -> None:
    """Count what autograd keeps in nets of four and seven layers, so that what every net has falls out, beside `layer_bytes`."""
    import torch

    from benchmarks.encoder_sides import Ours, Work
    from model.objectives.mlm import Mlm

    def kept(net: EncoderConfig, parallel: ParallelConfig) -> int:
        ours, work = Ours(net, parallel), Work.draw([256, 256], net.vocab_size)
        own = {parameter.untyped_storage().data_ptr() for parameter in ours.net.parameters()}
        storages = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            Mlm.loss(ours.net, ours.batch(work))
        return sum(storage.nbytes() for address, storage in storages.items() if address not in own)

    net = EncoderConfig(vocab_size=512, hidden_size=128, num_heads=2, ffn_size=192, max_positions=256, attention_out_dropout=0.0)
    for precision in ("fp32", "bf16"):
        for recompute in ("none", "selective", "full"):
            parallel = ParallelConfig(threads=1, precision=precision, recompute=recompute)
            four, seven = (kept(dataclasses.replace(net, num_layers=layers), parallel) for layers in (4, 7))
            counted, formula = (seven - four) / 3 / 512, layer_bytes(net, parallel)
            print(
                f"{precision} {recompute:9} counted {counted:7.0f} bytes a token and layer, formula {formula:7.0f}: {formula / counted:.3f}"
            )


def main() -> None:
    """Print the table, or the check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="count activations of small nets instead (10 s)")
    check() if parser.parse_args().check else table()


if __name__ == "__main__":
    main()
