"""The optimizer: Megatron-Core's wrappers (fp32, bf16 with fp32 master weights, sharded over ranks) around AdamW or
StableAdamW."""

import torch
from megatron.core import parallel_state
from megatron.core.distributed import DistributedDataParallel
from megatron.core.optimizer import DistributedOptimizer, FP32Optimizer, MegatronOptimizer
from megatron.core.optimizer.optimizer import Float16OptimizerWithFloat16Params
from megatron.core.process_groups_config import ProcessGroupCollection

from conf.schema import OptimConfig, ParallelConfig
from model.megatron.config import optimizer_config
from model.megatron.stable_adamw import StableAdamW


def build_optimizer(model: DistributedDataParallel, optim: OptimConfig, parallel: ParallelConfig) -> MegatronOptimizer:
    """Optimizer of `model`, which `step.distribute` returned for the same `parallel`. Moments and master weights are
    fp32.

    The moments exist from the start, as zeros, so that a checkpoint of step 0 and a load into a fresh process hold the
    same tensors as any other."""
    config = optimizer_config(optim, parallel)
    groups = ProcessGroupCollection.setup_process_groups_for_optimizer(None, [model])
    inner = _inner(param_groups(model, optim), optim)
    if config.use_distributed_optimizer:
        optimizer = ShardedOptimizer(
            inner,
            config,
            grad_scaler=None,
            init_state_fn=_already_initialised,
            model_chunks=[model],
            per_model_buffers={0: model.buffers},
            data_parallel_group=groups["intra_dp_cp_group"],
            data_parallel_group_gloo=groups["intra_dp_cp_group_gloo"],
            data_parallel_group_idx=groups["mp_group"].rank(),
            distributed_optimizer_instance_id=0,
        )
        optimizer.grad_stats_parallel_group = groups["intra_dist_opt_group"]
    else:
        optimizer = (
            Float16OptimizerWithFloat16Params(inner, config, None, _already_initialised)
            if config.bf16
            else FP32Optimizer(inner, config, _already_initialised)
        )
        optimizer.grad_stats_parallel_group = groups["mp_group"]
    optimizer.tp_group = parallel_state.get_tensor_model_parallel_group()
    _initialise(inner)
    if isinstance(inner, StableAdamW):
        inner.sum_over_ranks = _piece_sums(optimizer, model)
    return optimizer


def param_groups(model: torch.nn.Module, optim: OptimConfig) -> list[dict]:
    """Two groups, with and without weight decay. One-dimensional parameters (norms, biases) and embeddings decay where
    `optim` says so."""

    def decays(name: str, param: torch.nn.Parameter) -> bool:
        if param.ndim < 2:
            return optim.decay_norms_and_biases
        # The last stage of a pipeline holds a copy of a tied table under the name of the output layer.
        is_embedding = "word_embeddings" in name or getattr(param, "shared_embedding", False)
        return optim.decay_embeddings or not is_embedding

    named = [(name, param) for name, param in model.named_parameters() if param.requires_grad]
    return [
        {
            "params": [param for name, param in named if decays(name, param) == decay],
            "weight_decay": optim.weight_decay if decay else 0.0,
            # Megatron-Core tells groups apart by these four.
            "wd_mult": float(decay),
            "lr_mult": 1.0,
            "is_expert_parallel": False,
            "is_decoupled_lr": False,
        }
        for decay in (True, False)
    ]


def set_lr(optimizer: MegatronOptimizer, lr: float) -> None:
    """Learning rate of the steps to come."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def optimizer_name(optimizer: MegatronOptimizer) -> str:
    """`optim.name` of the optimizer; the two keep different moments, so a checkpoint names its own."""
    return "stable_adamw" if isinstance(optimizer.optimizer, StableAdamW) else "adamw"


def get_step(optimizer: MegatronOptimizer) -> int:
    """Updates made so far."""
    inner = optimizer.optimizer
    steps = [state["step"] for state in inner.state.values() if "step" in state] or [
        group.get("step", 0) for group in inner.param_groups
    ]
    return int(steps[0])


def set_step(optimizer: MegatronOptimizer, step: int) -> None:
    """Set the number of updates made so far, which bias correction depends on."""
    inner = optimizer.optimizer
    if isinstance(inner, torch.optim.AdamW):
        for group in inner.param_groups:
            for param in group["params"]:  # each its own tensor: AdamW increments every one
                inner.state[param]["step"] = torch.tensor(float(step), device=param.device if group["fused"] else "cpu")
    else:
        for group in inner.param_groups:
            group["step"] = step


def load_moments(optimizer: MegatronOptimizer, state_dict: dict, step: int) -> None:
    """Load what `optimizer.sharded_state_dict` asked for, and set the number of updates made.

    Megatron-Core leaves that number out when it is 0, and its sharded optimizer gives all parameters one shared
    counter, which each of them would then count up: a resume that goes wrong, silently, from its second step."""
    for part in (state_dict, state_dict.get("optimizer", {})):
        if "state" in part and isinstance(optimizer.optimizer, torch.optim.AdamW):
            part["state"]["common_step"] = torch.tensor(float(step))
    optimizer.load_state_dict(state_dict)
    set_step(optimizer, step)


class ShardedOptimizer(DistributedOptimizer):
    """Megatron-Core's optimizer sharded over data-parallel ranks, with a fault of its loading mended that shows without
    Apex or Transformer Engine: a KeyError where it copies the states. (For the other, one step counter shared by all
    parameters, see `load_moments`.)"""

    def _set_main_param_and_optimizer_states(self, model_param: torch.Tensor, tensors: dict) -> None:
        group, order = self.model_param_group_index_map[model_param]
        state = self.optimizer.state[self.optimizer.param_groups[group]["params"][order]]
        missing = {key: value for key, value in state.items() if key not in tensors}
        super()._set_main_param_and_optimizer_states(model_param, {**tensors, **missing})


def _inner(groups: list[dict], optim: OptimConfig) -> torch.optim.Optimizer:
    settings = {
        "lr": optim.lr,
        "betas": (optim.beta1, optim.beta2),
        "eps": optim.eps,
        "weight_decay": optim.weight_decay,
    }
    if optim.name == "stable_adamw":
        return StableAdamW(groups, **settings)
    fused = fused_adam()
    return fused(groups, adam_w_mode=True, **settings) if fused else torch.optim.AdamW(groups, fused=True, **settings)


def fused_adam() -> type[torch.optim.Optimizer] | None:
    """FusedAdam of Transformer Engine or Apex, where there is a GPU and it really imports (the `apex` of the package
    index is another)."""
    if not torch.cuda.is_available():
        return None
    try:
        from transformer_engine.pytorch.optimizers import FusedAdam
    except (ImportError, OSError):  # or a library of it that does not load
        try:
            from apex.optimizers import FusedAdam
        except (ImportError, OSError):
            return None
    return FusedAdam


def _already_initialised(*_: object) -> None:
    """Megatron-Core's hook to create moments before a load; `_initialise` has done it."""


def _initialise(inner: torch.optim.Optimizer) -> None:
    for group in inner.param_groups:
        for param in group["params"]:
            state = inner.state[param]
            if isinstance(inner, torch.optim.AdamW):
                state["step"] = torch.tensor(0.0, device=param.device if group["fused"] else "cpu")
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(param), torch.zeros_like(param)


def _piece_sums(optimizer: MegatronOptimizer, model: DistributedDataParallel):
    """`StableAdamW.sum_over_ranks` where tensors are cut over ranks (tensor parallel, sharded optimizer), else None."""
    sharded = isinstance(optimizer, ShardedOptimizer)
    cut_by_tensor = parallel_state.get_tensor_model_parallel_world_size() > 1
    if not sharded and not cut_by_tensor:
        return None
    params = [param for param in model.parameters() if param.requires_grad]
    # Row of each parameter that the inner optimizer holds, in its order; the same numbering on every data-parallel
    # rank.
    if sharded:
        place = {
            key: row for row, param in enumerate(params) if (key := optimizer.model_param_group_index_map.get(param))
        }
        keys = [(i, j) for i, group in enumerate(optimizer.param_groups) for j in range(len(group["params"]))]
    else:
        place = {id(getattr(param, "main_param", param)): row for row, param in enumerate(params)}
        keys = [id(param) for group in optimizer.param_groups for param in group["params"]]
    rows = torch.tensor([place[key] for key in keys], device=params[0].device)
    is_cut = torch.tensor(
        [[getattr(param, "tensor_model_parallel", False)] for param in params], device=params[0].device
    )

    def sum_over_ranks(sums: torch.Tensor) -> torch.Tensor:
        table = sums.new_zeros(len(params), 2)
        table[rows] = sums
        if sharded:
            torch.distributed.all_reduce(
                table, group=parallel_state.get_data_parallel_group(with_context_parallel=True)
            )
        if cut_by_tensor:
            whole = table.clone()
            torch.distributed.all_reduce(whole, group=parallel_state.get_tensor_model_parallel_group())
            table = torch.where(is_cut, whole, table)
        return table[rows]

    return sum_over_ranks
