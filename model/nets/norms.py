"""Norms in the form that Megatron-Core's layers build them: `norm(config, hidden_size, eps)`.

Under sequence parallelism each rank normalises its part of the sequence; the mark on the weight has their gradients summed.
"""

import torch
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


NORMS: dict[str, type[torch.nn.Module]] = {"layernorm": LayerNorm, "rmsnorm": RMSNorm}
"""Value of `model.norm` -> class."""
