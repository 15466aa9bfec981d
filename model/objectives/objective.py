"""What an objective is: what it reads, how its batches are made, what it counts, its loss, and what it records."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self

import torch

from conf.schema import Config
from model.megatron.metrics import Record, unrecorded
from model.training.data.source import DataOrder, DataSource


class Batch(Protocol):
    """One micro-batch of one rank."""

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on ``device``."""


class Objective(ABC):
    """Something to minimise. A new one is a file with a subclass, its section `objective` in
    `conf/schema/objective.py`, and its line in `model/objectives/registry.py`."""

    source: ClassVar[type[DataSource]]
    """The data that it reads: what `jobs.train` opens for it, and what its samples are."""
    unit: ClassVar[str]
    """What it counts, in the plural (tokens, pairs, sequences): the loss's denominator, and what the throughput is told
    in."""

    @classmethod
    @abstractmethod
    def build(cls, config: Config, order: DataOrder) -> Self:
        """The objective of section `objective` of ``config``, over ``order``. Raises UserError for what does not
        fit."""

    @abstractmethod
    def batch(self, samples: Sequence[Any], train: bool, phase: int = 0) -> Batch:
        """One micro-batch of ``samples`` of the ``phase`` with that number, for training or for validation. What is
        drawn at random depends on seed, phase and each sample's index alone, never on a rank."""

    @abstractmethod
    def loss(
        self, model: torch.nn.Module, batch: Any, record: Record = unrecorded
    ) -> tuple[torch.Tensor, torch.Tensor] | torch.Tensor:
        """The loss summed over what the batch counts (fp32 scalar), and how much that is (int scalar).

        ``record(name, value)`` tells more, without a wait for the device; the names come after train/ or validation/,
        on TensorBoard and in metrics.jsonl. On a pipeline stage without the head: what the stage hands on."""

    def head_positions(self, count: int) -> int:
        """Positions at which the head's logits are computed where the loss is taken over ``count``; for the count of
        FLOPs."""
        return count
