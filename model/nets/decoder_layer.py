"""A decoder's layers as Megatron-Core is told of them: its configuration, and the parts of each layer by the traits of
the family."""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from megatron.core.fusions.fused_bias_dropout import get_bias_dropout_add
from megatron.core.transformer.attention import SelfAttention, SelfAttentionSubmodules
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.identity_op import IdentityOp
from megatron.core.transformer.mlp import MLP, MLPSubmodules
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.transformer_config import TransformerConfig
from megatron.core.transformer.transformer_layer import TransformerLayer, TransformerLayerSubmodules

from conf.families import DECODERS, DecoderFamily
from conf.schema import DecoderConfig, ParallelConfig
from model.megatron.config import transformer_kwargs
from model.nets.attention import PackedAttention
from model.nets.glu import GLUS
from model.nets.lora import linears
from model.nets.norms import NORMS, WidthRMSNorm
from model.nets.parallel_layer import ParallelLayer
from model.nets.post_norm_layer import PostNormLayer
from model.shapes import is_local

_ACTIVATIONS = {"silu": F.silu, "gelu_tanh": partial(F.gelu, approximate="tanh")}
"""Activation of a family without gates -> function."""


def transformer_config(config: DecoderConfig, parallel: ParallelConfig, initialise: bool = True) -> TransformerConfig:
    """Megatron-Core's configuration of the layers."""
    family = DECODERS[config.architecture]
    # Not perform_initialization=False: then Megatron-Core would not mark how parameters are cut over tensor-parallel
    # ranks either.
    draw = _normal if initialise else lambda std, rows=None: lambda weight: weight
    return TransformerConfig(
        num_layers=config.num_layers,
        hidden_size=config.hidden_size,
        num_attention_heads=config.num_heads,
        num_query_groups=config.num_kv_heads,
        kv_channels=config.head_width,
        softmax_scale=config.attention_scalar**-0.5 if config.attention_scalar else None,
        ffn_hidden_size=config.ffn_size,
        gated_linear_unit=family.gated,
        # Gated, it takes the activation that the layers' specification names, which is ours, whatever stands here.
        activation_func=F.silu if family.gated else _ACTIVATIONS[family.activation],
        use_te_activation_func=family.gated,
        add_bias_linear=family.linear_bias,
        add_qkv_bias=family.qkv_bias,
        # has gradients of these norms summed over tensor-parallel ranks, each of which has its own heads
        qk_layernorm=family.qk_norm == "head",
        hidden_dropout=config.dropout,
        attention_dropout=0.0,
        layernorm_epsilon=config.norm_eps,
        init_method=draw(config.init_std),
        embedding_init_method=draw(config.init_std, config.vocab_size),
        output_layer_init_method=draw(config.init_std / math.sqrt(2 * config.num_layers)),
        **transformer_kwargs(parallel),
    )


def _normal(std: float, rows: int | None = None) -> Callable[[torch.Tensor], torch.Tensor]:
    """Initialiser by a normal distribution; with `rows`, those after so many are zero."""

    def draw(weight: torch.Tensor) -> torch.Tensor:
        torch.nn.init.normal_(weight[:rows], std=std)
        if rows is not None:
            weight[rows:].zero_()
        return weight

    return draw


def layer_spec(config: DecoderConfig, number: int) -> ModuleSpec:
    """Layer `number` of the net, counted from 0 at its first."""
    family, linear = DECODERS[config.architecture], linears(config)
    norm = NORMS[family.norm]
    query_norm, key_norm = _qk_norms(config, family)
    attention = SelfAttentionSubmodules(
        linear_qkv=linear["linear_qkv"],
        core_attention=partial(PackedAttention, local=is_local(config, number)),
        linear_proj=linear["linear_proj"],
        q_layernorm=query_norm,
        k_layernorm=key_norm,
    )
    feed_forward = MLPSubmodules(
        linear_fc1=linear["linear_fc1"],
        activation_func=GLUS[family.activation] if family.gated else None,
        linear_fc2=linear["linear_fc2"],
    )
    parts = TransformerLayerSubmodules(
        input_layernorm=norm if family.pre_norm else IdentityOp,
        self_attention=ModuleSpec(SelfAttention, params={"attn_mask_type": AttnMaskType.no_mask}, submodules=attention),
        self_attn_bda=get_bias_dropout_add,
        pre_mlp_layernorm=norm if family.pre_norm and not family.side_by_side else IdentityOp,
        mlp=ModuleSpec(MLP, params={"ffn_hidden_size": config.ffn_size}, submodules=feed_forward),
        mlp_bda=get_bias_dropout_add,
    )
    if family.post_norm:
        return ModuleSpec(PostNormLayer, params={"post_norm": norm}, submodules=parts)
    return ModuleSpec(ParallelLayer if family.side_by_side else TransformerLayer, submodules=parts)


def _qk_norms(config: DecoderConfig, family: DecoderFamily) -> tuple[type | ModuleSpec | None, ...]:
    """Norms of queries and of keys: by head, over all heads, or none."""
    if family.qk_norm == "width":
        heads = config.num_heads, config.num_kv_heads
        return tuple(ModuleSpec(WidthRMSNorm, params={"heads": number}) for number in heads)
    return (NORMS[family.norm] if family.qk_norm else None,) * 2
