"""Gated linear units (arXiv 2002.05202), in the form that Megatron-Core's MLP takes an activation:
`activation(config)`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from megatron.core.transformer.module import MegatronModule


class _Glu(MegatronModule):
    """`[..., 2 F]` -> `[..., F]`: the activation of the first half times the second."""

    activate: Callable[[torch.Tensor], torch.Tensor]
    slope: Callable[..., Any]
    """`slope(gradient, gate, grad_input=out)`: PyTorch's backward of `activate`."""

    def forward(self, halves: torch.Tensor) -> torch.Tensor:
        """Keeps its input alone for the backward pass; Megatron-Core's own unit keeps three halves more."""
        if torch.is_grad_enabled():
            return _Gated.apply(halves, self.activate, self.slope)
        return _gated(halves, self.activate)


class GeGlu(_Glu):
    """With the exact GELU."""

    activate = staticmethod(F.gelu)
    slope = staticmethod(torch.ops.aten.gelu_backward)


class SwiGlu(_Glu):
    """With SiLU."""

    activate = staticmethod(F.silu)
    slope = staticmethod(torch.ops.aten.silu_backward)


class TanhGeGlu(_Glu):
    """With the tanh form of the GELU."""

    activate = staticmethod(partial(F.gelu, approximate="tanh"))
    slope = staticmethod(partial(torch.ops.aten.gelu_backward, approximate="tanh"))


GLUS: dict[str, type[_Glu]] = {"silu": SwiGlu, "gelu_tanh": TanhGeGlu}
"""Activation of a family with a gated feed-forward layer -> class."""


def _gated(halves: torch.Tensor, activate: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    gate, value = halves.chunk(2, dim=-1)
    return activate(gate).mul_(value)


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx, halves: torch.Tensor, activate: Callable, slope: Callable) -> torch.Tensor:
        ctx.save_for_backward(halves)
        ctx.activate, ctx.slope = activate, slope
        return _gated(halves, activate)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (halves,) = ctx.saved_tensors
        gate, value = halves.chunk(2, dim=-1)
        found = torch.empty_like(halves)
        to_gate, to_value = found.chunk(2, dim=-1)
        ctx.slope(gradient * value, gate, grad_input=to_gate)
        torch.mul(ctx.activate(gate), gradient, out=to_value)
        return found, None, None
