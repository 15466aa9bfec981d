"""Norms in the form that Megatron-Core's layers build them: `norm(config, hidden_size, eps)`.

Under sequence parallelism each rank normalises its part of the sequence; the mark on the weight has their gradients
summed."""

import torch
import torch.nn.functional as F
from megatron.core.transformer.transformer_config import TransformerConfig


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
        """`[..., H]` -> `[..., H]`; in fp32 on the CPU, for which PyTorch has no kernel, by operators that keep
        little."""
        if (
            torch.is_grad_enabled()
            and states.device.type == "cpu"
            and states.dtype == self.weight.dtype == torch.float32
        ):
            return _RMSNorm.apply(states, self.weight, self.eps)
        return F.rms_norm(states, self.normalized_shape, self.weight, self.eps)


class _RMSNorm(torch.autograd.Function):
    """Keeps its input and a number a row; what PyTorch composes keeps three times the input and takes about twice as
    long backwards."""

    @staticmethod
    def forward(ctx, states: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        scale = torch.linalg.vecdot(states, states).unsqueeze(-1).div_(states.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(states, weight, scale)
        return (states * scale).mul_(weight)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        states, weight, scale = ctx.saved_tensors
        to_weight = (gradient * states).mul_(scale).flatten(0, -2).sum(0)
        to_normed = gradient * weight
        pull = torch.linalg.vecdot(to_normed, states).unsqueeze(-1).mul_(scale.pow(3)).div_(-states.shape[-1])
        return to_normed.mul_(scale).addcmul_(states, pull), to_weight, None


NORMS: dict[str, type[torch.nn.Module]] = {"layernorm": LayerNorm, "rmsnorm": RMSNorm}
"""Value of `model.norm` -> class."""
