"""Layouts over the GPUs there are: which there could be, what each costs, which is proposed and why the others are
not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from common.errors import UserError
from conf.schema import Config
from model.training.cost.anatomy import anatomy
from model.training.cost.machines import machine
from model.training.cost.memory import Memory, memory
from model.training.cost.seconds import Seconds, seconds
from model.training.cost.work import Layout, Span, changed, gpus, present, spans

SPARE = 0.1
"""Share of a GPU's memory that a proposal leaves free."""
NEAR = 0.01
"""Of layouts whose time differs by less than this share, the simpler one is proposed."""
RECOMPUTE = ("none", "selective", "full")


@dataclass(frozen=True)
class Proposal:
    """A layout with its micro-batches, and what it costs."""

    layout: Layout
    micro_batches: tuple[int, ...]
    """Packs of a forward pass in each span."""
    memory: Memory
    """Of the span that takes most."""
    steps: tuple[Seconds, ...]
    """Of one step of each span."""
    spent: tuple[float, ...]
    """Seconds of all steps of each span."""
    over: float
    """Bytes beyond the memory of a GPU less what is to be spare; not above 0 where it fits."""

    @property
    def fits(self) -> bool:
        """Whether it leaves the spare memory free."""
        return self.over <= 0

    @property
    def total(self) -> float:
        """Seconds of the whole run."""
        return sum(self.spent)

    @property
    def gpu_hours(self) -> float:
        """Of the whole run."""
        return self.total * self.layout.gpus / 3600


@dataclass(frozen=True)
class Estimate:
    """Everything that a plan says."""

    spans: list[Span]
    """What the run does."""
    best: Proposal
    """The fastest that fits, or of nearly equal ones the simplest."""
    others: list[Proposal]
    """The best of each other pair of tensor and pipeline size: those that fit by time, then those that do not."""
    present: Proposal | None
    """What the configuration says; None where it does not divide GPUs, net and batch."""
    refused: list[str]
    """Why some sizes were not looked at."""


def estimate(config: Config) -> Estimate:
    """Weigh all layouts of ``config`` over its GPUs.

    Raises UserError for an unknown GPU, for no GPUs, for a run of unknown length, where no layout divides net, batch
    and GPUs, and where none fits."""
    config = replace(config, parallel=config.parallel.on(bf16=True))  # every GPU that is known computes in it
    work, refused = spans(config), []
    best_of = [_best(config, work, layouts) for layouts in _families(config, work, refused)]
    if not best_of:
        raise UserError(
            f"no layout of {gpus(config)} GPUs divides net and batch ({'; '.join(refused)}); change hardware.gpus"
        )
    fitting = sorted((one for one in best_of if one.fits), key=lambda one: one.total)
    if not fitting:
        raise UserError(_nothing_fits(config, min(best_of, key=lambda one: one.over)))
    best = min((one for one in fitting if one.total <= fitting[0].total * (1 + NEAR)), key=_complexity)
    others = [one for one in fitting if one is not best] + sorted(
        (one for one in best_of if not one.fits), key=lambda one: one.over
    )
    return Estimate(work, best, others, _present(config, work), refused)


def cost(config: Config, work: list[Span], layout: Layout, micro_batches: tuple[int, ...]) -> Proposal:
    """What ``layout`` costs."""
    pairs = list(zip(work, micro_batches, strict=True))
    fullest = max((memory(config, layout, *pair) for pair in pairs), key=lambda found: found.total)
    steps = tuple(seconds(config, layout, *pair) for pair in pairs)
    spent = tuple(span.steps * step.total for span, step in zip(work, steps, strict=True))
    over = fullest.total - (1 - SPARE) * machine(config.hardware.gpu).memory
    return Proposal(layout, micro_batches, fullest, steps, spent, over)


def _families(config: Config, work: list[Span], refused: list[str]) -> Iterator[list[Layout]]:
    """For each tensor and pipeline size that divides: the layouts that recompute nothing, something, everything."""
    net, number, node = anatomy(config.model), gpus(config), config.hardware.gpus_per_node
    sizes = [size for size in range(1, number + 1) if number % size == 0]
    for tensor in sizes:
        if why := _refuse_tensor(config, tensor):
            refused.append(f"tensor={tensor}: {why}")
            continue
        for pipeline in (size for size in sizes if number % (tensor * size) == 0):
            data = number // (tensor * pipeline)
            uneven = next((span for span in work if span.batch % data), None)
            if net.layers % pipeline:
                if tensor == 1:
                    refused.append(f"pipeline={pipeline}: does not divide model.num_layers={net.layers}")
            elif uneven:
                batch = f"phases.{uneven.name}" if uneven.name else "train"
                refused.append(
                    f"tensor={tensor} pipeline={pipeline}: {data} data-parallel ranks do not divide {batch}"
                    " global_batch"
                )
            else:
                keys = {
                    "tensor": tensor,
                    "pipeline": pipeline,
                    "context": 1,
                    "sequence": tensor > 1,
                    "distributed_optimizer": True,
                }
                layout = changed(Layout(number, node, config.parallel), **keys)
                yield [changed(layout, recompute=recompute) for recompute in RECOMPUTE]


def _refuse_tensor(config: Config, tensor: int) -> str | None:
    net = anatomy(config.model)
    if tensor > config.hardware.gpus_per_node:
        return f"its traffic, within every layer, would leave the node of {config.hardware.gpus_per_node} GPUs"
    for name, size in (
        ("heads of keys", net.kv_heads),
        ("model.ffn_size", net.ffn),
        ("rows of the vocabulary", net.rows),
    ):
        if size % tensor:
            return f"does not divide {name}={size}"
    return None


def _best(config: Config, work: list[Span], layouts: list[Layout]) -> Proposal:
    """The fastest of ``layouts`` that fits, with the micro-batches that suit each span best; else the smallest."""
    found = []
    for layout in layouts:
        chosen = tuple(_micro_batch(config, layout, span) for span in work)
        found.append(cost(config, work, layout, chosen))
    fitting = [one for one in found if one.fits]
    if not fitting:
        return min(found, key=lambda one: one.over)
    fastest = min(one.total for one in fitting)
    return next(
        one for one in fitting if one.total <= fastest * (1 + NEAR)
    )  # less is computed again in those that come first


def _micro_batch(config: Config, layout: Layout, span: Span) -> int:
    """The smallest of the micro-batches that are nearly as fast as the fastest that fits; 1 where none does."""
    share = span.batch // layout.data
    times, limit = {}, (1 - SPARE) * machine(config.hardware.gpu).memory
    for packs in (size for size in range(1, share + 1) if share % size == 0):
        if memory(config, layout, span, packs).total > limit:
            break
        times[packs] = seconds(config, layout, span, packs).total
    return next((packs for packs, time in times.items() if time <= min(times.values()) * (1 + NEAR)), 1)


def _complexity(one: Proposal) -> tuple:
    parallel = one.layout.parallel
    return parallel.tensor * parallel.pipeline, RECOMPUTE.index(parallel.recompute), one.total


def _present(config: Config, work: list[Span]) -> Proposal | None:
    layout, net = present(config), anatomy(config.model)
    parallel = layout.parallel
    divides = not layout.gpus % (parallel.tensor * parallel.pipeline) and not net.layers % parallel.pipeline
    whole = all(span.micro_batch and not span.batch % (layout.data * span.micro_batch) for span in work)
    if parallel.context > 1 or not divides or not whole or _refuse_tensor(config, parallel.tensor):
        return None
    return cost(config, work, layout, tuple(span.micro_batch for span in work))


def _nothing_fits(config: Config, nearest: Proposal) -> str:
    found, parallel = nearest.memory, nearest.layout.parallel
    total = found.total / 1e9
    helps = "a GPU with more memory"
    if found.optimizer > max(found.activations, found.passing):
        helps = "more GPUs (hardware.gpus), over which the optimizer is cut"
    elif found.activations + found.passing > found.parameters + found.gradients:
        helps = "a shorter train.seq_length"
    return (
        f"nothing fits {config.hardware.gpu}: the smallest, parallel.tensor={parallel.tensor}"
        f" parallel.pipeline={parallel.pipeline} parallel.recompute={parallel.recompute} with micro-batches of"
        f" {max(nearest.micro_batches)}, takes {total:.1f} GB and is {nearest.over / 1e9:.1f} GB too large to leave a"
        f" tenth free; {helps} would help"
    )
