"""A plan for people: the layouts with what they cost, why one is proposed and the others are not, and what to paste."""

from collections.abc import Iterator
from dataclasses import fields

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from conf.schema import Config
from model.training.cost.flops import parameter_count, trained_count
from model.training.cost.layouts import SPARE, Estimate, Proposal
from model.training.cost.machines import machine
from model.training.cost.memory import RESERVE
from model.training.cost.seconds import LINKS

SHOWN = 8
"""Layouts that are shown beside the proposed and the present one."""
GB, DAY = 1e9, 86_400
COLUMNS = ("tensor x pipeline x data", "recompute", "packs", "GB", "step, s", "days", "GPU hours", "")


def render(config: Config, found: Estimate) -> RenderableType:
    """The whole plan."""
    shown, hidden = found.others[:SHOWN], found.others[SHOWN:]
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in COLUMNS:
        table.add_column(name, justify="right" if name and name not in COLUMNS[:2] else "left", no_wrap=bool(name))
    table.add_row(*_cells(found.best), "proposed", style="bold green")
    if found.present:
        table.add_row(*_cells(found.present), _present(found), style="yellow", end_section=True)
    for one in shown:
        table.add_row(*_cells(one), against(one, found.best), style="" if one.fits else "dim")
    more = [Text(f"and {len(hidden)} more that are slower or larger")] if hidden else []
    notes = [Text(line) for line in _notes(config, found)]
    return Group(
        *(Text(line) for line in _work(config, found)),
        Text(),
        table,
        *more,
        Text(),
        *notes,
        Text(),
        Text(overrides(config, found)),
    )


def overrides(config: Config, found: Estimate) -> str:
    """The proposal as overrides."""
    parallel, packs = found.best.layout.parallel, found.best.micro_batches
    values = {
        key: getattr(parallel, key) for key in ("tensor", "pipeline", "sequence", "recompute", "distributed_optimizer")
    }
    parts = [f"parallel.{key}={str(value).lower()}" for key, value in values.items()]
    if len(set(packs)) == 1 and not any(phase.micro_batch for phase in config.phases.values()):
        return " ".join([*parts, f"train.micro_batch={packs[0]}"])
    return " ".join(
        [*parts, *(f"phases.{span.name}.micro_batch={size}" for span, size in zip(found.spans, packs, strict=True))]
    )


def against(one: Proposal, best: Proposal) -> str:
    """Why ``one`` is not proposed."""
    if not one.fits:
        return f"{one.over / GB:,.1f} GB too large"
    slower = one.total / best.total - 1
    if slower < 0.01:
        more = (one.memory.total - best.memory.total) / GB
        return f"as fast, in {more:,.1f} GB more" if more >= 0.1 else "as fast, but not as simple"
    differences = {name: (_total(one, name) - _total(best, name)) / best.total for name in _parts(one)}
    causes = [
        f"{name} {share:+.0%}"
        for name, share in sorted(differences.items(), key=lambda item: -item[1])
        if share >= 0.01
    ]
    return f"{slower:.0%} slower: {', '.join(causes)}"


def _cells(one: Proposal) -> list[str]:
    parallel = one.layout.parallel
    seconds = dict.fromkeys(f"{step.total:.2f}" for step in one.steps)
    return [
        f"{parallel.tensor} x {parallel.pipeline} x {one.layout.data}",
        parallel.recompute,
        "/".join(dict.fromkeys(map(str, one.micro_batches))),
        f"{one.memory.total / GB:,.1f}",
        "/".join(seconds),
        f"{one.total / DAY:,.1f}",
        f"{one.gpu_hours:,.0f}",
    ]


def _present(found: Estimate) -> str:
    here = found.present
    assert here is not None
    same = (here.layout, here.micro_batches) == (found.best.layout, found.best.micro_batches)
    return "as configured: the same" if same else f"as configured: {against(here, found.best)}"


def _work(config: Config, found: Estimate) -> Iterator[str]:
    hardware, layout = config.hardware, found.best.layout
    total, trained = parameter_count(config.model), trained_count(config.model)
    learnt = "" if total == trained else f", of which {trained:,} are learnt"
    nodes = -(-layout.gpus // layout.node)
    yield f"{config.model.architecture}: {total:,} parameters{learnt}, {layout.parallel.precision}"
    yield f"{layout.gpus} x {hardware.gpu} in {nodes} node{'s' if nodes > 1 else ''} of {layout.node}"
    for span, packs, step in zip(found.spans, found.best.micro_batches, found.best.steps, strict=True):
        name = f"{span.name}: " if span.name else ""
        days = span.steps * step.total / DAY
        yield (
            f"{name}{span.tokens / GB:,.2f}B tokens in {span.steps:,} steps of {span.batch:,} packs of {span.length:,};"
            f" proposed: {packs} a forward pass, {span.batch * span.length / step.total:,.0f} tokens/s, {days:,.1f}"
            " days"
        )


def _notes(config: Config, found: Estimate) -> Iterator[str]:
    best, kind = found.best, machine(config.hardware.gpu)
    parts = ", ".join(f"{field.name} {getattr(best.memory, field.name) / GB:,.1f}" for field in fields(best.memory))
    together = f"{best.memory.total / GB:,.1f} of {kind.memory / GB:,.0f}, {SPARE:.0%} of which stay free"
    yield f"memory of the proposal, GB: {parts}; together {together}"
    spent = ", ".join(f"{name} {_total(best, name) / best.total:.1%}" for name in _parts(best))
    yield f"time of the proposal: {spent}"
    if not found.present:
        yield "not shown: the configured layout, which does not divide these GPUs, this net and its batch within nodes"
    reasons: dict[str, list[str]] = {}
    for size, _, reason in (line.partition(": ") for line in found.refused):
        reasons.setdefault(reason, []).append(size)
    for reason, sizes in reasons.items():
        yield f"not looked at: {', '.join(sizes)}: {reason}"
    yield "not looked at: context parallelism (parallel.context, for packs too long for one GPU)"
    yield "not looked at: overlap of traffic and arithmetic, which is switched off"
    yield (
        f"times assume {kind.mfu:.0%} of peak while computing ({kind.source}), {LINKS:.0%} of the rate of links, full"
        " packs of one document each, no ramp of the batch"
    )
    yield f"memory assumes {RESERVE / GB:.0f} GB of the libraries' own; only a run on the GPUs measures either"
    if best.layout.parallel.precision == "fp32":
        yield (
            "parallel.precision=fp32 leaves the matrix units idle; parallel.precision=bf16 is many times faster on such"
            " GPUs"
        )


def _parts(one: Proposal) -> list[str]:
    return [field.name for field in fields(one.steps[0])]


def _total(one: Proposal, name: str) -> float:
    """Seconds of one part over the whole run."""
    shares = [getattr(step, name) / step.total for step in one.steps]
    return sum(share * span for share, span in zip(shares, one.spent, strict=True))
