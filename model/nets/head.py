"""Head of masked language modelling."""

import torch
from megatron.core.transformer.transformer_config import TransformerConfig


class MlmHead(torch.nn.Module):
    """Dense, GELU, norm (arXiv 2412.13663); the decoder to the vocabulary follows. Replicated over tensor-parallel
    ranks."""

    def __init__(self, config: TransformerConfig, norm: type[torch.nn.Module]):
        super().__init__()
        width = config.hidden_size
        self.dense = torch.nn.Linear(width, width, bias=False, dtype=config.params_dtype)
        self.norm = norm(config=config, hidden_size=width, eps=config.layernorm_epsilon)
        if config.perform_initialization:
            config.output_layer_init_method(self.dense.weight)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """`[M, H]` -> `[M, H]`."""
        return self.norm(torch.nn.functional.gelu(self.dense(hidden)))
