"""A layer whose attention and feed-forward run side by side, as in GPT-J and Phi."""

from typing import Any

import torch
from megatron.core.transformer.transformer_layer import TransformerLayer


class ParallelLayer(TransformerLayer):
    """Megatron-Core's layer with one norm, of which attention and feed-forward both take their input; their outputs are
    added to it."""

    def forward(
        self, hidden_states: torch.Tensor, packed_seq_params: Any = None, **_: Any
    ) -> tuple[torch.Tensor, None]:
        """`[T, 1, H]` -> `[T, 1, H]` and nothing, in the form of Megatron-Core's layers; what else they are given is
        not for it."""
        normed = self.input_layernorm(hidden_states)
        attended = self.self_attention(normed, attention_mask=None, packed_seq_params=packed_seq_params)
        fed = self.mlp(normed)
        fused = self.config.bias_dropout_fusion
        hidden_states = self.self_attn_bda(self.training, fused)(attended, hidden_states, self.hidden_dropout)
        return self.mlp_bda(self.training, fused)(fed, hidden_states, self.hidden_dropout), None
