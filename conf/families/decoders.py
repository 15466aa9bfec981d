"""Records of the decoders."""

from typing import Any

from conf.families.record import FC1, FC2, OUT, QKV, DecoderFamily, LayerKinds

_DEFAULTS: dict[str, Any] = {
    "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": None,
    "head_dim": None, "hidden_act": "silu", "initializer_range": 0.02, "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False, "layer_types": None, "rope_parameters": None, "rope_scaling": None,
    "rope_theta": 10_000.0, "partial_rotary_factor": None,
}  # fmt: skip
_QWEN = {
    "vocab_size": 151_936, "intermediate_size": 22_016, "num_key_value_heads": 32, "max_position_embeddings": 32_768,
    "use_sliding_window": False,
}  # fmt: skip
_LLAMA = {
    "vocab_size": 32_000, "intermediate_size": 11_008, "max_position_embeddings": 2048, "attention_bias": False,
    "mlp_bias": False,
}  # fmt: skip
_MISTRAL = {
    "vocab_size": 32_000, "intermediate_size": 14_336, "max_position_embeddings": 131_072, "num_key_value_heads": 8,
    "sliding_window": 4096,
}  # fmt: skip
_GEMMA3 = {key: value for key, value in _DEFAULTS.items() if key not in ("hidden_act", "partial_rotary_factor")} | {
    "vocab_size": 262_208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
    "max_position_embeddings": 131_072, "tie_word_embeddings": True, "rope_theta": 1_000_000.0,
    "rope_local_base_freq": 10_000.0, "attention_bias": False, "query_pre_attn_scalar": 256, "sliding_window": 4096,
    "sliding_window_pattern": 6, "final_logit_softcapping": None, "attn_logit_softcapping": None,
    "use_bidirectional_attention": False,
}  # fmt: skip
_OLMO2 = {
    "vocab_size": 50_304, "intermediate_size": 11_008, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
    "attention_bias": False,
}  # fmt: skip
_PHI = {
    "vocab_size": 51_200, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24,
    "max_position_embeddings": 2048, "layer_norm_eps": 1e-5, "hidden_act": "gelu_new", "resid_pdrop": 0.0,
    "embd_pdrop": 0.0, "qk_layernorm": False, "partial_rotary_factor": 0.5,
}  # fmt: skip
_KEYS = {
    "vocab_size": "vocab_size", "num_layers": "num_hidden_layers", "hidden_size": "hidden_size",
    "num_heads": "num_attention_heads", "num_kv_heads": "num_key_value_heads", "head_width": "head_dim",
    "ffn_size": "intermediate_size", "max_positions": "max_position_embeddings", "norm_eps": "rms_norm_eps",
    "tie_embeddings": "tie_word_embeddings", "init_std": "initializer_range",
}  # fmt: skip
_ATTENTION = {QKV: ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), OUT: ("self_attn.o_proj",)}
_QK_NORM = {
    "self_attention.q_layernorm": ("self_attn.q_norm",),
    "self_attention.k_layernorm": ("self_attn.k_norm",),
}
_POST_NORM = {
    "post_self_attn_layernorm": ("post_attention_layernorm",),
    "post_mlp_layernorm": ("post_feedforward_layernorm",),
}
_GATED = {FC1: ("mlp.gate_proj", "mlp.up_proj"), FC2: ("mlp.down_proj",)}
_INPUT_NORM = {"input_layernorm": ("input_layernorm",)}
_LAYER = _INPUT_NORM | _ATTENTION | {"pre_mlp_layernorm": ("post_attention_layernorm",)} | _GATED

_RECORDS = (
    # arXiv 2505.09388
    DecoderFamily(
        name="qwen3",
        model_type="qwen3",
        prefix="Qwen3",
        defaults=_DEFAULTS | _QWEN | {"head_dim": 128, "attention_bias": False},
        fixed={"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False},
        keys=_KEYS,
        layer=_LAYER | _QK_NORM,
        qk_norm="head",
    ),
    # Qwen2 and 2.5: arXiv 2407.10671, 2412.15115
    DecoderFamily(
        name="qwen2",
        model_type="qwen2",
        prefix="Qwen2",
        defaults=_DEFAULTS | _QWEN,
        fixed={"hidden_act": "silu", "use_sliding_window": False},
        keys=_KEYS,
        layer=_LAYER,
        always_head_dim=False,
        qkv_bias=True,
    ),
    # arXiv 2407.21783
    DecoderFamily(
        name="llama",
        model_type="llama",
        prefix="Llama",
        defaults=_DEFAULTS | _LLAMA,
        fixed={"hidden_act": "silu", "attention_bias": False, "mlp_bias": False},
        keys=_KEYS,
        layer=_LAYER,
    ),
    # Llama with biases everywhere but in the head, as Bielik v3 was released: arXiv 2505.02550
    DecoderFamily(
        name="llama_biased",
        model_type="llama",
        prefix="Llama",
        defaults=_DEFAULTS | _LLAMA,
        fixed={"hidden_act": "silu", "attention_bias": True, "mlp_bias": True},
        keys=_KEYS,
        layer=_LAYER,
        qkv_bias=True,
        linear_bias=True,
    ),
    # arXiv 2310.06825
    DecoderFamily(
        name="mistral",
        model_type="mistral",
        prefix="Mistral",
        defaults=_DEFAULTS | _MISTRAL,
        fixed={"hidden_act": "silu"},
        keys=_KEYS | {"window": "sliding_window"},
        layer=_LAYER,
    ),
    # Gemma 3, text alone: arXiv 2503.19786
    DecoderFamily(
        name="gemma3_text",
        model_type="gemma3_text",
        prefix="Gemma3",
        config_prefix="Gemma3Text",
        defaults=_GEMMA3,
        fixed={
            "hidden_activation": "gelu_pytorch_tanh",
            "attention_bias": False,
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "use_bidirectional_attention": False,
        },
        keys=_KEYS
        | {
            "window": "sliding_window",
            "global_every": "sliding_window_pattern",
            "rope_theta_local": "rope_local_base_freq",
            "attention_scalar": "query_pre_attn_scalar",
        },
        layer=_INPUT_NORM
        | _ATTENTION
        | _QK_NORM
        | _POST_NORM
        | {"pre_mlp_layernorm": ("pre_feedforward_layernorm",)}
        | _GATED,
        kinds=LayerKinds(
            every="sliding_window_pattern", last=True, theta_global="rope_theta", theta_local="rope_local_base_freq"
        ),
        norm="rmsnorm_offset",
        post_norm=True,
        qk_norm="head",
        activation="gelu_tanh",
        scaled_embedding=True,
    ),
    # OLMo 2: arXiv 2501.00656
    DecoderFamily(
        name="olmo2",
        model_type="olmo2",
        prefix="Olmo2",
        defaults=_DEFAULTS | _OLMO2,
        fixed={"hidden_act": "silu", "attention_bias": False},
        keys=_KEYS,
        layer=_ATTENTION | _QK_NORM | _POST_NORM | _GATED,
        always_head_dim=False,
        pre_norm=False,
        post_norm=True,
        qk_norm="width",
    ),
    # Phi-1 to Phi-2 (Microsoft, 2023)
    DecoderFamily(
        name="phi",
        model_type="phi",
        prefix="Phi",
        defaults=_DEFAULTS | _PHI,
        fixed={"hidden_act": "gelu_new", "qk_layernorm": False},
        keys=_KEYS | {"norm_eps": "layer_norm_eps", "rope_share": "partial_rotary_factor"},
        layer=_INPUT_NORM | _ATTENTION | {OUT: ("self_attn.dense",), FC1: ("mlp.fc1",), FC2: ("mlp.fc2",)},
        final_norm="final_layernorm",
        dropout_keys=("resid_pdrop", "embd_pdrop"),
        always_head_dim=False,
        norm="layernorm_bias",
        norm_bias=True,
        side_by_side=True,
        qkv_bias=True,
        linear_bias=True,
        head_bias=True,
        gated=False,
        activation="gelu_tanh",
    ),
)
DECODERS: dict[str, DecoderFamily] = {family.name: family for family in _RECORDS}
"""Value of `model.architecture` -> family."""
