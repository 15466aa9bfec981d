"""Rotary position embedding (RoFormer, arXiv 2104.09864), halves convention, one base a kind of layer."""

from functools import lru_cache

import torch


@lru_cache(maxsize=16)
def rope_table(base: float, width: int, length: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine of position x frequency, each `[length, width / 2]` fp32, for heads of `width`."""
    frequencies = 1.0 / base ** (torch.arange(0, width, 2, dtype=torch.float32, device=device) / width)
    angles = torch.outer(torch.arange(length, dtype=torch.float32, device=device), frequencies)
    return angles.cos(), angles.sin()


def rotate(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate `heads` `[T, h, d]` by the angles of `cos` and `sin` `[T, 1, d / 2]`, in fp32; the result has the type of `heads`."""
    first, second = heads.float().chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(heads.dtype)
