"""Gated linear unit with GELU (arXiv 2002.05202), in the form that Megatron-Core's MLP takes an activation: `activation(config)`."""

import torch
import torch.nn.functional as F
from megatron.core.transformer.module import MegatronModule


class GeGlu(MegatronModule):
    """`[..., 2 F]` -> `[..., F]`: the exact GELU of the first half times the second."""

    def forward(self, halves: torch.Tensor) -> torch.Tensor:
        """Keeps its input alone for the backward pass; Megatron-Core's own unit keeps three halves more."""
        return _GeGlu.apply(halves) if torch.is_grad_enabled() else _geglu(halves)


def _geglu(halves: torch.Tensor) -> torch.Tensor:
    gate, value = halves.chunk(2, dim=-1)
    return F.gelu(gate).mul_(value)


class _GeGlu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, halves: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(halves)
        return _geglu(halves)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
        (halves,) = ctx.saved_tensors
        gate, value = halves.chunk(2, dim=-1)
        found = torch.empty_like(halves)
        to_gate, to_value = found.chunk(2, dim=-1)
        torch.ops.aten.gelu_backward(gradient * value, gate, grad_input=to_gate)
        torch.mul(F.gelu(gate), gradient, out=to_value)
        return found
