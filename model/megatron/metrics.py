"""Metrics that a forward pass records by name, reduced over micro-batches and ranks with one host synchronisation a
step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import torch
from megatron.core import parallel_state

LOSS, COUNT = ":loss", ":count"
"""Entries of a report that no objective's name can be."""


class Reduce(Enum):
    """How the values of micro-batches and ranks become one."""

    SUM = "sum"
    MEAN = "mean"
    """The sum of the values over the sum of what they were taken over: the loss's denominator, unless `over` says
    what."""
    MAX = "max"


class Record(Protocol):
    """``record(name, value)``: what a forward pass tells of itself. Every micro-batch records the same names."""

    def __call__(
        self, name: str, value: torch.Tensor, reduce: Reduce = Reduce.MEAN, over: torch.Tensor | None = None
    ) -> None:
        """``value``: a scalar tensor of this micro-batch on this rank, which stays on its device; of a mean the sum, to
        be divided by the sum of ``over``, by default the loss's denominator. A mean over nothing is not told."""


def unrecorded(name: str, value: torch.Tensor, reduce: Reduce = Reduce.MEAN, over: torch.Tensor | None = None) -> None:
    """A `Record` that keeps nothing, for who wants the loss alone."""


@dataclass
class Report:
    """What one micro-batch recorded: fp64 scalars on the device."""

    sums: dict[str, torch.Tensor] = field(default_factory=dict)
    maxima: dict[str, torch.Tensor] = field(default_factory=dict)
    divisors: dict[str, str] = field(default_factory=dict)
    """Mean -> entry of `sums` that it is divided by."""

    def __call__(
        self, name: str, value: torch.Tensor, reduce: Reduce = Reduce.MEAN, over: torch.Tensor | None = None
    ) -> None:
        """See `Record`."""
        (self.maxima if reduce is Reduce.MAX else self.sums)[name] = value
        if reduce is Reduce.MEAN:
            self.divisors[name] = COUNT if over is None else f"{COUNT}:{name}"
            if over is not None:
                self.sums[self.divisors[name]] = over

    def close(self, loss: torch.Tensor, count: torch.Tensor) -> "Report":
        """Take in the loss and its denominator, and copy everything: Megatron-Core scales the loss in place."""
        self(LOSS, loss, Reduce.SUM)
        self(COUNT, count, Reduce.SUM)
        for values in (self.sums, self.maxima):
            for name, value in values.items():
                values[name] = value.detach().to(loss.device, torch.float64, copy=True)
        return self


def reduce_reports(reports: Sequence[Report]) -> tuple[float, int, dict[str, float]]:
    """Loss over its denominator, that denominator, and the metrics by name: over all micro-batches, data-parallel and
    context-parallel ranks. The last pipeline stage, which alone has reports, tells the others."""
    values = _over_ranks(reports) if reports else ({}, {}, {})
    if parallel_state.get_pipeline_model_parallel_world_size() > 1:
        holder = [values]
        last = parallel_state.get_pipeline_model_parallel_last_rank()
        group = parallel_state.get_pipeline_model_parallel_group()
        torch.distributed.broadcast_object_list(holder, src=last, group=group)
        values = holder[0]
    sums, maxima, divisors = values
    loss, count = sums.pop(LOSS), int(sums[COUNT])
    means = {
        name: sums[name] / (sums[divisor] or 1)
        for name, divisor in divisors.items()
        if sums[divisor] or divisor == COUNT
    }
    plain = {name: value for name, value in sums.items() if not name.startswith(COUNT) and name not in divisors}
    return loss / max(count, 1), count, {**means, **plain, **maxima}


def _over_ranks(reports: Sequence[Report]) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """Sums, maxima and divisors, the same on every rank of the stage. The one point where the host waits for the
    device."""
    first, group = reports[0], parallel_state.get_data_parallel_group(with_context_parallel=True)
    sums = torch.stack([torch.stack([report.sums[name] for name in first.sums]) for report in reports]).sum(dim=0)
    torch.distributed.all_reduce(sums, group=group)
    values = sums
    if first.maxima:
        maxima = torch.stack([torch.stack([report.maxima[name] for name in first.maxima]) for report in reports])
        maxima = maxima.amax(dim=0)
        torch.distributed.all_reduce(maxima, torch.distributed.ReduceOp.MAX, group=group)
        values = torch.cat((sums, maxima))
    numbers = values.tolist()
    named_sums = dict(zip(first.sums, numbers[: len(first.sums)], strict=True))
    return named_sums, dict(zip(first.maxima, numbers[len(first.sums) :], strict=True)), first.divisors
