"""Attention by the kernels for packs that PyTorch brings for CUDA, `torch.nn.attention.varlen`."""

import inspect
from functools import cache

import torch

from model.nets.attention.trial import fault
from model.nets.attention.window import Attend, Window
from model.nets.pack import Pack


def refusal(device: torch.device, dtype: torch.dtype, head_width: int) -> str | None:
    """Why it cannot run here, None where it can."""
    return fault(prepare, device, dtype, head_width)


@cache
def _asks_for_groups() -> bool:
    """PyTorch 2.11 tells from the shapes that heads share keys; from 2.12 on it wants to be told."""
    from torch.nn.attention.varlen import varlen_attn

    return "enable_gqa" in inspect.signature(varlen_attn).parameters


def prepare(pack: Pack, window: Window, dtype: torch.dtype, keys: Pack | None = None) -> Attend:
    """Attention over `pack`, see `Prepare`; raises what PyTorch raises where it cannot run."""
    from torch.nn.attention.varlen import (
        varlen_attn,
    )  # loads the compiler, which takes a second that a CPU would wait for in vain

    keys = keys or pack  # where a query has fewer places than keys, the kernels too take it for the last of them
    edges = (pack.cu_seqlens, keys.cu_seqlens, max(pack.lengths), max(keys.lengths))

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        groups = {"enable_gqa": query.shape[1] != key.shape[1]} if _asks_for_groups() else {}
        return varlen_attn(query, key, value, *edges, window_size=(window.left, window.right), **groups)

    return attend
