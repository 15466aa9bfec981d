"""What every net and the optimizer tell Megatron-Core alike: precision, parallel layout, recomputation, fusions."""

from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.distributed import DistributedDataParallelConfig
from megatron.core.optimizer import OptimizerConfig

from conf.schema import OptimConfig, ParallelConfig
from model.megatron import startup

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_RECOMPUTE: dict[str, dict[str, Any]] = {
    "none": {},
    "selective": {"recompute_granularity": "selective", "recompute_modules": ["core_attn"]},
    "full": {"recompute_granularity": "full", "recompute_method": "uniform", "recompute_num_layers": 1},
}


def params_dtype(parallel: ParallelConfig) -> torch.dtype:
    """Type of the parameters in the forward pass."""
    return _DTYPES[parallel.on(startup.computes_bf16()).precision]


def transformer_kwargs(parallel: ParallelConfig | None = None) -> dict[str, Any]:
    """Arguments of `TransformerConfig` that do not depend on the net. `parallel` is by default the one given to
    `startup.start`."""
    parallel = parallel or startup.parallel()
    dtype = params_dtype(parallel)
    return {
        "tensor_model_parallel_size": parallel.tensor,
        "pipeline_model_parallel_size": parallel.pipeline,
        "context_parallel_size": parallel.context,
        "sequence_parallel": parallel.sequence and parallel.tensor > 1,
        "params_dtype": dtype,
        "pipeline_dtype": dtype,
        "bf16": dtype is torch.bfloat16,
        # Packs differ in length from one micro-batch to the next; losses are sums, divided once by the tokens of the
        # whole batch.
        "variable_seq_lengths": True,
        "moe_token_dispatcher_type": "alltoall",  # no experts here, but the default refuses variable lengths
        "calculate_per_token_loss": True,
        # Weights are drawn on the CPU, whole, and then cut: the same for every tensor-parallel size and device.
        "use_cpu_initialization": True,
        # Layers that differ (the first of ModernBERT has no attention norm) need names of their own in a checkpoint;
        # sic.
        "hetereogenous_dist_checkpoint": True,
        # Each of these needs a compiler or Transformer Engine, or computes something else (bias_activation_fusion:
        # tanh-GELU).
        "bias_activation_fusion": False,
        "bias_dropout_fusion": False,
        "masked_softmax_fusion": False,
        "apply_rope_fusion": False,
        "cross_entropy_loss_fusion": False,
        "gradient_accumulation_fusion": False,
        "persist_layer_norm": False,
        "cuda_graph_scope": [],
        **_RECOMPUTE[parallel.recompute],
    }


def shards_optimizer(parallel: ParallelConfig) -> bool:
    """Whether the optimizer is sharded over data-parallel ranks."""
    return (
        parallel.distributed_optimizer and parallel_state.get_data_parallel_world_size(with_context_parallel=True) > 1
    )


def ddp_config(parallel: ParallelConfig) -> DistributedDataParallelConfig:
    """Gradients are summed in fp32; whether they are finite is checked once a step, by `train_step`."""
    return DistributedDataParallelConfig(
        grad_reduce_in_fp32=True,
        use_distributed_optimizer=shards_optimizer(parallel),
        check_for_nan_in_grad=False,
        overlap_grad_reduce=False,
        overlap_param_gather=False,
    )


def optimizer_config(optim: OptimConfig, parallel: ParallelConfig) -> OptimizerConfig:
    """Megatron-Core's view of `optim`."""
    dtype = params_dtype(parallel)
    return OptimizerConfig(
        optimizer="adam",
        lr=optim.lr,
        min_lr=0.0,
        weight_decay=optim.weight_decay,
        adam_beta1=optim.beta1,
        adam_beta2=optim.beta2,
        adam_eps=optim.eps,
        clip_grad=optim.clip_grad,
        bf16=dtype is torch.bfloat16,
        params_dtype=dtype,
        use_distributed_optimizer=shards_optimizer(parallel),
    )
