"""Norms in the form that Megatron-Core's layers build them: `norm(config, hidden_size, eps)`.

Under sequence parallelism each rank normalises its part of the sequence; the mark on the weight has their gradients
summed."""

import torch
import torch.nn.functional as F
from megatron.core.tensor_parallel import (
    reduce_from_tensor_model_parallel_region,
    set_tensor_model_parallel_attributes,
)
from megatron.core.transformer.transformer_config import TransformerConfig
from megatron.core.transformer.utils import make_sharded_tensors_for_checkpoint


class LayerNorm(torch.nn.LayerNorm):
    """LayerNorm with a weight and no bias (Megatron-Core's own wrappers always have one)."""

    def __init__(self, config: TransformerConfig, hidden_size: int, eps: float):
        super().__init__(hidden_size, eps=eps, bias=False, dtype=config.params_dtype)
        self.weight.sequence_parallel = config.sequence_parallel


class BiasedLayerNorm(torch.nn.LayerNorm):
    """LayerNorm with a weight and a bias."""

    def __init__(self, config: TransformerConfig, hidden_size: int, eps: float):
        super().__init__(hidden_size, eps=eps, dtype=config.params_dtype)
        self.weight.sequence_parallel = self.bias.sequence_parallel = config.sequence_parallel


class RMSNorm(torch.nn.RMSNorm):
    """RMSNorm with a weight."""

    def __init__(self, config: TransformerConfig, hidden_size: int, eps: float):
        super().__init__(hidden_size, eps=eps, dtype=config.params_dtype)
        self.weight.sequence_parallel = config.sequence_parallel

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`[..., H]` -> `[..., H]`."""
        return _rms_norm(states, self.weight, self.eps)


class OffsetRMSNorm(RMSNorm):
    """RMSNorm that multiplies by one more than its weight, which begins at zero (Gemma); in fp32, since the sum would
    lose what a weight in bf16 holds."""

    def reset_parameters(self) -> None:
        """Begin as a norm that only norms."""
        torch.nn.init.zeros_(self.weight)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`[..., H]` -> `[..., H]`."""
        return _RMSNorm.apply(states, 1.0 + self.weight.float(), self.eps)


class WidthRMSNorm(torch.nn.Module):
    """RMSNorm over all heads of queries, or of keys, together (OLMo 2). Each tensor-parallel rank has its own heads and
    their weights."""

    def __init__(self, config: TransformerConfig, hidden_size: int, eps: float, heads: int):
        """`hidden_size`: width of a head, of which there are `heads` over all ranks."""
        super().__init__()
        self.eps, self.ranks = eps, config.tensor_model_parallel_size
        self.weight = torch.nn.Parameter(torch.ones(heads * hidden_size // self.ranks, dtype=config.params_dtype))
        set_tensor_model_parallel_attributes(self.weight, True, 0, 1)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`[T, 1, h, d]` -> `[T, 1, h, d]`."""
        rows = states.flatten(-2)
        if self.ranks == 1:
            return _rms_norm(rows, self.weight, self.eps).view(states.shape)
        return _RMSNorm.apply(rows, self.weight.float(), self.eps, self.ranks).view(states.shape)

    def sharded_state_dict(self, prefix: str = "", sharded_offsets: tuple = (), metadata: dict | None = None) -> dict:
        """What a checkpoint stores: the weight, by its cut over the ranks of this process."""
        return make_sharded_tensors_for_checkpoint({"weight": self.weight}, prefix, {"weight": 0}, sharded_offsets)


def _rms_norm(states: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """By PyTorch's kernel; in fp32 on the CPU, for which it has none, by operators that keep little."""
    if torch.is_grad_enabled() and states.device.type == "cpu" and states.dtype == weight.dtype == torch.float32:
        return _RMSNorm.apply(states, weight, eps)
    return F.rms_norm(states, weight.shape, weight, eps)


class _RMSNorm(torch.autograd.Function):
    """RMSNorm in fp32 that keeps its input and a number a row; what PyTorch composes keeps three times the input and
    takes about twice as long backwards.

    With several `ranks` each has an equal part of every row, and of the weights."""

    @staticmethod
    def forward(ctx, states: torch.Tensor, weight: torch.Tensor, eps: float, ranks: int = 1) -> torch.Tensor:
        values = states.float()
        squares = _over_ranks(torch.linalg.vecdot(values, values), ranks).unsqueeze(-1)
        scale = squares.div_(ranks * states.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(states, weight, scale)
        ctx.ranks = ranks
        return (values * scale).mul_(weight).to(states.dtype)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        states, weight, scale = ctx.saved_tensors
        values, gradient = states.float(), gradient.float()
        to_weight = (gradient * values).mul_(scale).flatten(0, -2).sum(0)
        to_normed = gradient * weight
        pull = _over_ranks(torch.linalg.vecdot(to_normed, values), ctx.ranks).unsqueeze(-1)
        pull = pull.mul_(scale.pow(3)).div_(-ctx.ranks * states.shape[-1])
        return to_normed.mul_(scale).addcmul_(values, pull).to(states.dtype), to_weight, None, None


def _over_ranks(sums: torch.Tensor, ranks: int) -> torch.Tensor:
    """`sums` of this rank, added up over tensor-parallel ranks."""
    return sums if ranks == 1 else reduce_from_tensor_model_parallel_region(sums)


NORMS: dict[str, type[torch.nn.Module]] = {
    "layernorm": LayerNorm,
    "layernorm_bias": BiasedLayerNorm,
    "rmsnorm": RMSNorm,
    "rmsnorm_offset": OffsetRMSNorm,
}
"""Value of `model.norm`, or of a family's trait -> class."""
