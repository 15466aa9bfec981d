"""What a run would do, in words: `dry_run=true`."""

from collections.abc import Iterator

from rich.text import Text

from conf.schema import Config, TrainConfig
from model.training.context import Training
from model.training.cost.flops import parameter_count
from model.training.data.inputs import Data
from model.training.data.source import DataOrder
from model.training.remarks import remarks
from model.training.timeline.phase import MAIN
from model.training.timeline.timeline import Timeline

SKETCH_WIDTH = 60
LEVELS = " ▁▂▃▄▅▆▇█"
BYTES = {"fp32": (12, 4), "bf16": (14, 2)}
"""Bytes a parameter takes in the Megatron half of a checkpoint (weight, two moments, master weight) and in the hf/
half."""


def describe(training: Training) -> str:
    """Parameters, tokens, steps, epochs, checkpoints and their disk, learning rate: one line each; of phases a line
    each."""
    return "\n".join(f"{name:18} {text}" for name, text in _lines(training))


def _lines(training: Training) -> Iterator[tuple[str, str]]:
    config, timeline, data = training.config, training.timeline, training.data
    train, parameters = config.train, parameter_count(config.model)
    yield "run", config.run_dir
    yield (
        "parameters",
        f"{parameters:,} ({config.model.architecture}, {config.model.num_layers} layers of {config.model.hidden_size})",
    )
    yield from _one(data.orders[MAIN], timeline, train) if MAIN in data.orders else _several(data, timeline)
    for name, order in data.validation.items():
        yield f"held out {name if name != MAIN else ''}".strip(), order.describe_validation()
    yield (
        "steps",
        f"{timeline.total - timeline.start:,}"
        + (f" (from {timeline.start:,} to {timeline.total:,})" if timeline.start else ""),
    )
    probes = timeline.checkpoint_steps(config).probe_steps(timeline.start)
    yield "probe checkpoints", f"{len(probes)}: {_some(probes)}; kept: {train.checkpoint.keep_probes or 'all'}"
    yield "resume checkpoints", _resume(config)
    yield "precision", config.parallel.precision
    megatron, hf = (parameters * size / 1e9 for size in BYTES[config.parallel.precision])
    kept = min(len(probes), train.checkpoint.keep_probes or len(probes))
    disk = kept * (megatron + hf) + train.checkpoint.keep_last * megatron
    yield "disk", f"about {disk:,.2f} GB ({megatron + hf:,.2f} a probe checkpoint, {megatron:,.2f} a resume checkpoint)"
    rates = [
        timeline.lr(step)
        for step in range(
            timeline.start + 1, timeline.total + 1, max(1, (timeline.total - timeline.start) // SKETCH_WIDTH)
        )
    ]
    peak = max(rates)
    yield "learning rate", "".join(LEVELS[round(rate / peak * (len(LEVELS) - 1))] for rate in rates) + f" peak {peak:g}"
    for remark in remarks(training):
        yield "", Text.from_markup(remark).plain


def _one(order: DataOrder, timeline: Timeline, train: TrainConfig) -> Iterator[tuple[str, str]]:
    """Data and batches of a run of one phase."""
    ramp = timeline.phases[0].ramp
    samples = ramp.samples(timeline.total) - ramp.samples(timeline.start)
    yield "data", order.describe()
    sizes = ramp.sizes()
    grows = f", from {sizes[0][1]:,}, full at step {sizes[-1][0]:,}" if len(sizes) > 1 else ""
    yield "samples a step", f"{train.global_batch:,}{grows} ({train.micro_batch} a forward pass)"
    epochs = samples / len(order)
    yield "tokens", f"{epochs * order.epoch_tokens / 1e6:,.1f}M in {samples:,} samples, {epochs:,.2f} epochs"


def _several(data: Data, timeline: Timeline) -> Iterator[tuple[str, str]]:
    """Data and batches of every phase."""
    for phase in timeline.phases:
        order, train, samples = data.orders[phase.name], phase.train, phase.ramp.samples(phase.steps)
        counts = order.count_sources(0, samples)
        whole = sum(counts.values())
        mixture = ", ".join(f"{name} {tokens:,} ({tokens / whole:.1%})" for name, tokens in counts.items())
        changes = [
            f"{key} {value}"
            for key in ("schedule", "optimizer")
            if (value := getattr(phase.config, key)) not in ("run", "carry")
        ]
        changes += [f"RoPE base {phase.config.rope_theta:g}"] if phase.config.rope_theta else []
        changes += [f"frozen {', '.join(phase.config.frozen)}"] if phase.config.frozen else []
        yield (
            f"phase {phase.name}",
            (
                f"steps {phase.first + 1:,} to {phase.last:,}, {train.global_batch:,} x {train.seq_length} a step:"
                f" {mixture}; {samples / len(order):.2f} epochs{'; ' if changes else ''}{', '.join(changes)}"
            ),
        )


def _resume(config: Config) -> str:
    checkpoint = config.train.checkpoint
    by = [f"every {checkpoint.resume_every_steps:,} steps"] if checkpoint.resume_every_steps else []
    by += [f"every {checkpoint.resume_every_minutes:g} minutes"] if checkpoint.resume_every_minutes else []
    return f"{' and '.join([*by, 'when stopped'])}; the last {checkpoint.keep_last} are kept"


def _some(steps: list[int]) -> str:
    return ", ".join(map(str, steps if len(steps) <= 8 else [*steps[:5], "...", *steps[-2:]]))
