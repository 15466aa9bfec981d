"""One optimizer step, and one evaluation, over micro-batches: Megatron-Core's schedules, gradient sums and update."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from megatron.core.distributed import DistributedDataParallel, finalize_model_grads
from megatron.core.optimizer import MegatronOptimizer
from megatron.core.optimizer.clip_grads import clip_grad_by_total_norm_fp32
from megatron.core.pipeline_parallel import get_forward_backward_func
from megatron.core.transformer.module import MegatronModule

from conf.schema import ParallelConfig
from model.megatron import startup
from model.megatron.config import ddp_config
from model.megatron.metrics import Record, Report, reduce_reports

ForwardStep = Callable[[torch.nn.Module, Any, Record], tuple[torch.Tensor, torch.Tensor] | torch.Tensor]
"""`forward_step(model, batch, record) -> (loss_sum, count)`: the loss summed over what the batch counts (a
differentiable scalar), and how much that is (an integer tensor), the loss's denominator; `record(name, value)` tells
more. An objective's `loss` is one. On a pipeline stage that is not the last it returns the output tensor of the stage
instead."""


@dataclass(frozen=True)
class StepResult:
    """Outcome of a step or an evaluation, over all micro-batches, data-parallel and context-parallel ranks."""

    loss: float
    """The sum of the losses divided by `count`; not finite where the step went wrong."""
    count: int
    """What the loss was taken over: predicted tokens, pairs, sequences."""
    metrics: dict[str, float]
    """What `forward_step` recorded beside the loss, by name."""
    grad_norm: float = 0.0
    """Norm of the gradient of `loss` before clipping; 0 for an evaluation."""
    skipped: bool = False
    """True where loss or gradient were not finite: parameters and moments are as before."""


def distribute(model: MegatronModule, parallel: ParallelConfig) -> DistributedDataParallel:
    """Wrap a net, built for the same `parallel`, for data parallelism, on this rank's device and with rank 0's
    parameters everywhere."""
    wrapped = DistributedDataParallel(model.config, ddp_config(parallel), model.to(startup.world().device))
    wrapped.broadcast_params()
    model.config.finalize_model_grads_func = finalize_model_grads
    return wrapped


def train_step(
    model: DistributedDataParallel,
    optimizer: MegatronOptimizer,
    forward_step: ForwardStep,
    micro_batches: Sequence[Any],
    seeds: Sequence[int] | None = None,
) -> StepResult:
    """Accumulate the gradient of the mean loss over `micro_batches` (this rank's), clip it, update the parameters.

    Micro-batches may differ in length; every rank must bring the same number of them. `seeds`, one for each
    micro-batch, fix what dropout draws there, whichever rank computes it; without them dropout goes on from the
    generators' present state. Clips to `optim.clip_grad` (0: not). A loss or gradient that is not finite on any rank
    skips the update on all of them and says so."""
    model.train()
    model.zero_grad_buffer()
    optimizer.zero_grad()
    loss, count, metrics = _run(model, forward_step, micro_batches, seeds, forward_only=False)
    optimizer.prepare_grads()
    grad_norm = optimizer.get_grad_norm()
    if not (math.isfinite(loss) and math.isfinite(grad_norm)):
        return StepResult(loss, count, metrics, grad_norm, skipped=True)
    if optimizer.config.clip_grad > 0:
        clip_grad_by_total_norm_fp32(optimizer.get_parameters(), optimizer.config.clip_grad, grad_norm)
    optimizer.step_with_ready_grads()
    return StepResult(loss, count, metrics, grad_norm)


@torch.no_grad()
def eval_step(model: DistributedDataParallel, forward_step: ForwardStep, micro_batches: Sequence[Any]) -> StepResult:
    """Mean loss over `micro_batches` without dropout and without gradients; the model is left in training mode if
    it was in it."""
    training = model.training
    model.eval()
    try:
        return StepResult(*_run(model, forward_step, micro_batches, None, forward_only=True))
    finally:
        model.train(training)


def _run(
    model: DistributedDataParallel,
    forward_step: ForwardStep,
    micro_batches: Sequence[Any],
    seeds: Sequence[int] | None,
    forward_only: bool,
) -> tuple[float, int, dict[str, float]]:
    """Forward (and backward) over the micro-batches: see `reduce_reports`."""

    def megatron_forward_step(
        batches: Iterator[tuple[int, Any]], model: torch.nn.Module
    ) -> tuple[torch.Tensor, Callable | None]:
        index, batch = next(batches)
        if seeds is not None:
            startup.seed_dropout(seeds[index], by_context=True)
        report = Report()
        result = forward_step(model, batch, report)
        if isinstance(result, torch.Tensor):
            return result, None
        loss, count = result
        report.close(loss, count)
        return loss, lambda loss: (loss, count.int(), report)

    reports = get_forward_backward_func()(
        forward_step_func=megatron_forward_step,
        data_iterator=enumerate(micro_batches),
        model=[model],
        num_microbatches=len(micro_batches),
        seq_length=1,  # unused: lengths vary
        micro_batch_size=1,
        forward_only=forward_only,
    )
    return reduce_reports(reports)
