"""The micro-batches of one rank, made ahead of their use."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from model.training.data.order import Plan
from model.training.data.shuffle import mix

if TYPE_CHECKING:
    from model.objectives.build import Objective

DROPOUT = 4  # salt, beside those of the plan


class MicroBatches:
    """Stream of micro-batches, beginning at sample ``first`` of a phase; a thread makes the next while one is in use.

    Micro-batch k of rank r (of R data-parallel ranks, n packs each) has samples (k R + r) n to (k R + r) n + n - 1.
    Every step takes a multiple of R n packs, so which samples a step sees does not depend on R, nor do their masks, and
    dropout is seeded by the micro-batch's first sample."""

    def __init__(
        self, plan: Plan, objective: "Objective", size: int, device: torch.device, seed: int, first: int, rank: int = 0, ranks: int = 1,
        phase: int = 0,
    ):  # fmt: skip
        """``size``: packs of a micro-batch; ``rank``, ``ranks``: place among the data-parallel ranks; ``phase``: its
        number."""
        self.plan, self.objective, self.size, self.device, self.seed, self.phase = (
            plan,
            objective,
            size,
            device,
            seed,
            phase,
        )
        self.rank, self.ranks = rank, ranks
        self.number = first // (size * ranks)
        self.worker = ThreadPoolExecutor(1, "micro-batches")
        self.ahead: Future | None = None

    def step(self, packs: int) -> "StepBatches":
        """This rank's part of a step over ``packs`` packs."""
        return StepBatches(self, packs // (self.size * self.ranks))

    def next(self) -> Any:
        """The next micro-batch, on the device."""
        batch = (self.ahead or self.worker.submit(self._make, self.number)).result()
        self.number += 1
        self.ahead = self.worker.submit(self._make, self.number)
        return batch.to(self.device)

    def dropout_seed(self, number: int) -> int:
        """Seed of what dropout draws in micro-batch ``number`` of this rank."""
        return int(mix(np.array([self._first(number)]), DROPOUT, self.seed, self.phase)[0] >> np.uint64(33))

    def close(self) -> None:
        """End the thread."""
        self.worker.shutdown(cancel_futures=True)

    def _first(self, number: int) -> int:
        return (number * self.ranks + self.rank) * self.size

    def _make(self, number: int) -> Any:
        return self.objective.batch(self.plan.samples(self._first(number), self.size), train=True, phase=self.phase)


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
