"""Attention by the flash-attn package (FlashAttention-2, arXiv 2307.08691), where it is installed."""

import torch

from model.nets.attention.trial import fault
from model.nets.attention.window import Attend, Window
from model.nets.pack import Pack


def refusal(device: torch.device, dtype: torch.dtype, head_width: int) -> str | None:
    """Why it cannot run here, None where it can."""
    return fault(prepare, device, dtype, head_width)


def prepare(pack: Pack, window: Window, dtype: torch.dtype, keys: Pack | None = None) -> Attend:
    """Attention over `pack`, see `Prepare`; raises ImportError without the package, and what it raises where it cannot
    run."""
    from flash_attn import flash_attn_varlen_func

    keys = keys or pack  # where a query has fewer places than keys, the kernels too take it for the last of them
    edges = (pack.cu_seqlens, keys.cu_seqlens, max(pack.lengths), max(keys.lengths))

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        # PyTorch's kernels read this setting by themselves; this package wants to be told.
        deterministic = torch.are_deterministic_algorithms_enabled()
        return flash_attn_varlen_func(
            query, key, value, *edges, window_size=(window.left, window.right), deterministic=deterministic
        )

    return attend
