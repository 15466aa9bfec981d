"""Time of a training step, part by part. The formulas are explained in docs/scaling.md; only a run measures what they
assume."""

from dataclasses import dataclass

from conf.schema import Config
from model.training.cost.anatomy import Anatomy, anatomy
from model.training.cost.flops import Forward, forward_flops
from model.training.cost.machines import machine, peak
from model.training.cost.memory import held
from model.training.cost.work import Layout, Span

LINKS = 0.75
"""Share of a link's rate that collective operations reach: assumed."""
LAUNCH = 1e-3
"""Seconds in which Python starts the kernels of one layer, forward and backward; a small micro-batch computes faster
than that: assumed."""


@dataclass(frozen=True)
class Seconds:
    """Seconds of one step on every GPU; the parts follow one another, nothing overlaps."""

    arithmetic: float
    """Products of matrices, recomputation included; or starting their kernels, where that takes longer."""
    tensor: float
    """All-reduces within layers."""
    bubble: float
    """Waiting for the first micro-batch to come through the pipeline, and for the last to come back; handing states
    on."""
    data: float
    """Summing gradients over data-parallel ranks, and gathering weights."""
    update: float
    """The optimizer, which reads and writes every state once."""

    @property
    def total(self) -> float:
        """All of it."""
        return self.arithmetic + self.tensor + self.bubble + self.data + self.update


def seconds(config: Config, layout: Layout, span: Span, packs: int) -> Seconds:
    """Time of a step with micro-batches of ``packs`` packs."""
    net, parallel, gpu = anatomy(config.model), layout.parallel, config.hardware.gpu
    kind, count, stages = machine(gpu), layout.micro_batches(span, packs), parallel.pipeline
    forward = forward_flops(config.model, [span.length] * packs, span.predicted(config, packs))
    rate = parallel.tensor * peak(gpu, parallel.precision) * kind.mfu
    again = 4 / 3 if parallel.recompute == "full" else 1
    one = max(_stage_flops(forward, layout) / rate, LAUNCH * again * net.layers / stages)
    states = (2 if parallel.precision == "bf16" else 4) * packs * span.length * net.hidden
    tensor = net.layers / stages * _layer_traffic(net, layout) * states / (kind.inside * LINKS)
    across = kind.inside if parallel.tensor * layout.data * stages <= layout.node else kind.between
    handing = 2 * states / (parallel.tensor if parallel.sequence else 1) / (across * LINKS) if stages > 1 else 0.0
    trained = max(held(net, parallel, stage)[1] for stage in (0, stages - 1))
    share = layout.data if parallel.distributed_optimizer else 1
    return Seconds(
        arithmetic=count * one,
        tensor=count * tensor,
        bubble=(stages - 1) * (one + tensor) + count * handing + _tied_traffic(net, layout, across),
        data=_data_traffic(layout, trained) / (_ring(layout, kind.inside, kind.between) * LINKS),
        update=30
        * trained
        / share
        / kind.bandwidth,  # gradient, master weight, moments read (16 bytes); these and the weight written (14)
    )


def _stage_flops(forward: Forward, layout: Layout) -> float:
    """Operations of the slowest pipeline stage, forward and backward, with what is computed again: the last, which has
    the head."""
    body = Forward(forward.layers, forward.added, forward.attention, 0)
    again = {"none": 0, "selective": forward.attention, "full": body.whole}[layout.parallel.recompute]
    whole = forward.whole + forward.backward
    head = whole - body.whole - body.backward
    return (whole - head + again) / layout.parallel.pipeline + head


def _layer_traffic(net: Anatomy, layout: Layout) -> float:
    """Bytes that a rank sends in one layer, forward and backward, for each byte of its states."""
    parallel = layout.parallel
    passed = (parallel.tensor - 1) / parallel.tensor
    reductions = 4 + 2 * (
        parallel.recompute == "full"
    )  # after attention and feed-forward, forward and backward; an all-reduce sends twice
    gathers = 2 * parallel.sequence  # inputs, for the gradient of weights
    return passed * (2 * reductions + gathers)


def _data_traffic(layout: Layout, trained: int) -> float:
    """Bytes that a rank sends in a step: gradients in fp32, weights as they are computed with."""
    passed = (layout.data - 1) / layout.data
    weights = (2 if layout.parallel.precision == "bf16" else 4) if layout.parallel.distributed_optimizer else 4
    return passed * (4 + weights) * trained


def _ring(layout: Layout, inside: float, between: float) -> float:
    """Bytes a second of a ring over data-parallel ranks: over several nodes it uses the ports of all its GPUs in a node
    at once."""
    tensor = layout.parallel.tensor
    if tensor * layout.data <= layout.node:
        return inside
    return min(inside, between * max(1, layout.node // tensor))


def _tied_traffic(net: Anatomy, layout: Layout, across: float) -> float:
    """Seconds of summing the gradients of a tied table over the first and the last stage."""
    if layout.parallel.pipeline == 1 or not net.tied or net.added:
        return 0.0
    return 4 * net.rows * net.hidden / layout.parallel.tensor / (across * LINKS)
