"""Rotary position embedding (RoFormer, arXiv 2104.09864), halves convention, one base a kind of layer."""

from functools import lru_cache

import torch

from conf.schema.model import RopeScalingConfig
from model.nets.rope_scaling import stretched


@lru_cache(maxsize=16)
def rope_table(
    base: float, width: int, length: int, device: torch.device, scaling: tuple = ()
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine of position x frequency, each `[length, width / 2]` fp32, for heads of which `width` components
    are rotated.

    `scaling`: the fields of a RopeScalingConfig in order, of its defaults where there are none.
    """
    with torch.inference_mode(
        False
    ):  # it outlives this call, and a tensor made under inference mode could not be trained with
        frequencies, factor = stretched(base, width, RopeScalingConfig(*scaling))
        angles = torch.outer(torch.arange(length, dtype=torch.float32, device=device), frequencies.to(device))
        return angles.cos().mul_(factor), angles.sin().mul_(factor)


def rotate(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate `heads` `[T, h, d]` by the angles of `cos` and `sin` `[T, 1, r / 2]`, in fp32; the result has the type of
    `heads`.

    The first r of the d components are rotated, the others stay. No gradient flows to the angles.
    """
    if not torch.is_grad_enabled():  # a third less overhead, which counts for short texts
        return _turn(heads, cos, sin, 1)
    return _Rotation.apply(heads, cos, sin)


class _Rotation(torch.autograd.Function):
    """Plain operators would write fp32 copies of bf16 heads to memory, and as many again on the way back, which is all
    that counts here."""

    @staticmethod
    def forward(ctx, heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(heads, cos, sin, 1)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return _turn(gradient, *ctx.saved_tensors, -1), None, None


def _turn(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, sign: int) -> torch.Tensor:
    """Forwards (sign 1) or back (-1)."""
    turned = torch.empty(heads.shape, dtype=heads.dtype, device=heads.device)
    width = 2 * cos.shape[-1]
    if width < heads.shape[-1]:
        turned[..., width:] = heads[..., width:]
    (first, second), (new_first, new_second) = heads[..., :width].chunk(2, dim=-1), turned[..., :width].chunk(2, dim=-1)
    torch.addcmul(
        first * cos, second, sin, value=-sign, out=new_first
    )  # a bf16 half times an fp32 table is computed and kept in fp32
    torch.addcmul(second * cos, first, sin, value=sign, out=new_second)
    return turned
