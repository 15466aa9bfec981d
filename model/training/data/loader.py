"""The micro-batches of one rank, made ahead of their use."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from model.training.data.shuffle import mix
from model.training.data.source import DataOrder
from model.training.timeline.phase import Phase

if TYPE_CHECKING:
    from model.objectives.objective import Objective

DROPOUT = 4  # salt, beside those of the data order


class MicroBatches:
    """Stream of micro-batches, beginning at sample ``first`` of a phase; a thread makes the next while one is in use.

    Micro-batch k of rank r (of R data-parallel ranks, n packs each) has samples (k R + r) n to (k R + r) n + n - 1.
    Every step takes a multiple of R n packs, so which samples a step sees does not depend on R, nor do their masks, and
    dropout is seeded by the micro-batch's first sample."""

    def __init__(
        self, order: DataOrder, objective: "Objective", phase: Phase, device: torch.device, seed: int, first: int,
        place: tuple[int, int] = (0, 1),
    ):  # fmt: skip
        """``place``: rank among the data-parallel ranks, and their number."""
        self.order, self.objective, self.phase, self.device, self.seed = order, objective, phase, device, seed
        self.size = phase.train.micro_batch
        self.rank, self.ranks = place
        self.number = first // (self.size * self.ranks)
        self.worker = ThreadPoolExecutor(1, "micro-batches")
        self.ahead: Future | None = None

    def step(self, samples: int) -> "StepBatches":
        """This rank's part of a step over so many ``samples``."""
        return StepBatches(self, samples // (self.size * self.ranks))

    def next(self) -> Any:
        """The next micro-batch, on the device."""
        batch = (self.ahead or self.worker.submit(self._make, self.number)).result()
        self.number += 1
        self.ahead = self.worker.submit(self._make, self.number)
        return batch.to(self.device)

    def dropout_seed(self, number: int) -> int:
        """Seed of what dropout draws in micro-batch ``number`` of this rank."""
        return int(mix(np.array([self._first(number)]), DROPOUT, self.seed, self.phase.number)[0] >> np.uint64(33))

    def close(self) -> None:
        """End the thread."""
        self.worker.shutdown(cancel_futures=True)

    def _first(self, number: int) -> int:
        return (number * self.ranks + self.rank) * self.size

    def _make(self, number: int) -> Any:
        samples = self.order.samples(self._first(number), self.size)
        return self.objective.batch(samples, train=True, phase=self.phase.number)


class StepBatches:
    """The micro-batches of one step, made as they are asked for, with the seeds of their dropout."""

    def __init__(self, stream: MicroBatches, count: int):
        self.stream, self.count = stream, count
        self.seeds = [stream.dropout_seed(stream.number + i) for i in range(count)]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self.count):
            yield self.stream.next()
