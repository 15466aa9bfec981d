"""A layer whose attention and feed-forward are normed before they are added to the residual stream (Gemma 3, OLMo
2)."""

from typing import Any

import torch
from megatron.core.transformer.spec_utils import build_module
from megatron.core.transformer.transformer_config import TransformerConfig
from megatron.core.transformer.transformer_layer import TransformerLayer, TransformerLayerSubmodules


class PostNormLayer(TransformerLayer):
    """Megatron-Core's layer with a norm behind each branch; norms before them are what its specification names, or
    none."""

    def __init__(
        self,
        config: TransformerConfig,
        submodules: TransformerLayerSubmodules,
        *args: Any,
        post_norm: type,
        **keys: Any,
    ):
        super().__init__(config, submodules, *args, **keys)
        sizes = {"config": config, "hidden_size": config.hidden_size, "eps": config.layernorm_epsilon}
        self.post_self_attn_layernorm = build_module(post_norm, **sizes)
        self.post_mlp_layernorm = build_module(post_norm, **sizes)

    def forward(
        self, hidden_states: torch.Tensor, packed_seq_params: Any = None, **_: Any
    ) -> tuple[torch.Tensor, None]:
        """`[T, 1, H]` -> `[T, 1, H]` and nothing, in the form of Megatron-Core's layers; what else they are given is
        not for it."""
        attended = self.self_attention(
            self.input_layernorm(hidden_states), attention_mask=None, packed_seq_params=packed_seq_params
        )
        add = self.self_attn_bda(self.training, self.config.bias_dropout_fusion)
        hidden_states = add(_normed(self.post_self_attn_layernorm, *attended), hidden_states, self.hidden_dropout)
        fed = self.mlp(self.pre_mlp_layernorm(hidden_states))
        add = self.mlp_bda(self.training, self.config.bias_dropout_fusion)
        return add(_normed(self.post_mlp_layernorm, *fed), hidden_states, self.hidden_dropout), None


def _normed(norm: torch.nn.Module, output: torch.Tensor, bias: torch.Tensor | None) -> tuple[torch.Tensor, None]:
    """Output of a branch, normed with its bias, and the bias that is left to add: none."""
    return norm(output if bias is None else output + bias), None
