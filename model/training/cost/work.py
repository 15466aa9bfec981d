"""What a run does and how it is laid out: spans of steps of one length and batch, and a layout over GPUs."""

import dataclasses
import math
from dataclasses import dataclass

from common.errors import UserError
from conf.schema import Config, ParallelConfig, PhaseConfig
from conf.schema.phase import scaled


@dataclass(frozen=True)
class Span:
    """Steps of one length and batch: a phase, or the whole run. Packs are taken as full, of one document each, which
    costs most."""

    name: str
    """Phase; empty for the whole run."""
    length: int
    """Tokens of a pack."""
    batch: int
    """Packs of a step over all ranks."""
    steps: int
    """Steps."""
    micro_batch: int
    """Packs of one forward pass of one rank, as configured."""

    @property
    def tokens(self) -> int:
        """Tokens of all steps."""
        return self.steps * self.batch * self.length

    def predicted(self, config: Config, packs: int) -> int:
        """Positions in the loss in so many packs."""
        return config.objective.predicted(packs, self.length)


@dataclass(frozen=True)
class Layout:
    """A layout over GPUs."""

    gpus: int
    """All of them."""
    node: int
    """GPUs that share a node."""
    parallel: ParallelConfig
    """Tensor and pipeline size, precision, recomputation, sharded optimizer."""

    @property
    def data(self) -> int:
        """Data-parallel size."""
        return self.parallel.data_ranks(self.gpus)

    def micro_batches(self, span: Span, packs: int) -> int:
        """Forward passes of a rank in one step, of ``packs`` packs each."""
        return max(1, math.ceil(span.batch / (self.data * packs)))


def spans(config: Config) -> list[Span]:
    """The phases of ``config``, or the one span that its section `train` describes; the ramp of the batch is left out.

    Raises UserError where the length of the run is not known.
    """
    train = config.train
    if not config.phases:
        step = train.global_batch * train.seq_length
        if not (step and (train.steps or train.tokens)):
            raise UserError(
                "a plan wants to know how long the run is; set train.tokens or train.steps, and train.global_batch"
            )
        return [
            Span(
                "",
                train.seq_length,
                train.global_batch,
                train.steps or math.ceil(train.tokens / step),
                train.micro_batch,
            )
        ]
    return [_span(config, name, phase) for name, phase in scaled(config.phases, config.budget).items()]


def _span(config: Config, name: str, phase: PhaseConfig) -> Span:
    train = config.train
    if not phase.tokens:
        raise UserError(f"phases.{name}.tokens=0: a plan wants to know how long the run is; set phases.{name}.tokens")
    length, batch = phase.seq_length or train.seq_length, phase.global_batch or train.global_batch
    steps = max(1, phase.tokens // max(1, length * batch))
    return Span(name, length, batch, steps, phase.micro_batch or train.micro_batch)


def gpus(config: Config) -> int:
    """`hardware.gpus`, or those of section `cluster`. Raises UserError where both have none."""
    found = config.hardware.gpus or config.cluster.nodes * config.cluster.gpus_per_node
    if not found:
        raise UserError(
            "hardware.gpus=0 takes the GPUs of section cluster, which names none; set hardware.gpus, or"
            " cluster.gpus_per_node"
        )
    return found


def present(config: Config) -> Layout:
    """The layout that ``config`` has."""
    return Layout(gpus(config), config.hardware.gpus_per_node, config.parallel)


def changed(layout: Layout, **keys) -> Layout:
    """``layout`` with other values of section `parallel`."""
    return dataclasses.replace(layout, parallel=dataclasses.replace(layout.parallel, **keys))
