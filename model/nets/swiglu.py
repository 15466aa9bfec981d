"""Gated linear unit with SiLU (arXiv 2002.05202), in the form that Megatron-Core's MLP takes an activation: `activation(config)`."""

import torch
import torch.nn.functional as F
from megatron.core.transformer.module import MegatronModule


class SwiGlu(MegatronModule):
    """`[..., 2 F]` -> `[..., F]`: the SiLU of the first half (gate) times the second (up)."""

    def forward(self, halves: torch.Tensor) -> torch.Tensor:
        """Keeps its input alone for the backward pass; Megatron-Core's own unit keeps three halves more."""
        return _SwiGlu.apply(halves) if torch.is_grad_enabled() else _swiglu(halves)


def _swiglu(halves: torch.Tensor) -> torch.Tensor:
    gate, up = halves.chunk(2, dim=-1)
    return F.silu(gate).mul_(up)


class _SwiGlu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, halves: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(halves)
        return _swiglu(halves)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
        (halves,) = ctx.saved_tensors
        gate, up = halves.chunk(2, dim=-1)
        found = torch.empty_like(halves)
        to_gate, to_up = found.chunk(2, dim=-1)
        torch.ops.aten.silu_backward(gradient * up, gate, grad_input=to_gate)
        torch.mul(F.silu(gate), gradient, out=to_up)
        return found
