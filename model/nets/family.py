"""What tells the families of decoders apart."""

from dataclasses import dataclass

import torch

from model.nets.norms import BiasedLayerNorm, RMSNorm


@dataclass(frozen=True)
class Family:
    """Traits of a family that are no sizes."""

    norm: type[torch.nn.Module] = RMSNorm
    """Norm of every layer and at the end."""
    qk_norm: bool = False
    """Each head of queries and of keys is normed before it is rotated."""
    qkv_bias: bool = False
    """Queries, keys and values have a bias."""
    biases: bool = False
    """Every projection has a bias, the head too."""
    gated: bool = True
    """The feed-forward layer is SwiGLU; else a GELU (its tanh form) between two projections."""
    side_by_side: bool = False
    """Attention and feed-forward take the same normed input, and their outputs are added."""


FAMILIES: dict[str, Family] = {
    "qwen3": Family(qk_norm=True),
    "qwen2": Family(qkv_bias=True),
    "llama": Family(),
    "mistral": Family(),
    "phi": Family(norm=BiasedLayerNorm, qkv_bias=True, biases=True, gated=False, side_by_side=True),
}
"""Value of `model.architecture` -> traits (Qwen3: arXiv 2505.09388; Qwen2: 2407.10671; Llama: 2407.21783; Mistral:
2310.06825)."""
