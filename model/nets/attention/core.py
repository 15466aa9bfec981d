"""The attention of a layer of Megatron-Core over packs."""

import math

import torch
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.transformer_config import TransformerConfig

from model.nets.attention.plan import Plan
from model.nets.rope import rotate


class PackedAttention(MegatronModule):
    """Megatron-Core's core attention for packs: rotates queries and keys by the base of its kind of layer, then
    attends."""

    def __init__(
        self,
        config: TransformerConfig,
        layer_number: int,
        attn_mask_type: AttnMaskType,
        attention_type: str,
        cp_comm_type: str | None = None,
        softmax_scale: float | None = None,
        pg_collection: ProcessGroupCollection | None = None,
        local: bool = False,
    ):
        """Arguments are those that Megatron-Core passes to any core attention, and `local`: within the window."""
        super().__init__(config=config)
        self.local = local
        # what queries are multiplied by, so that backends scale scores by the root of a head's width alone
        self.factor = 1.0 if softmax_scale is None else softmax_scale * math.sqrt(config.kv_channels)

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: None,
        attn_mask_type: AttnMaskType | None = None,
        attention_bias: None = None,
        packed_seq_params: Plan | None = None,
    ) -> torch.Tensor:
        """`[T, h, d]` each, not yet rotated -> `[T, h, d]`; `packed_seq_params` is the plan of the pack."""
        reach = packed_seq_params.nearby if self.local else packed_seq_params.everywhere
        query = rotate(query, reach.cos, reach.sin)
        if self.factor != 1.0:
            query = query * self.factor
        return reach.attend(query, rotate(key, reach.cos, reach.sin), value)
