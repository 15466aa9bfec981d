"""Records of the encoders."""

from conf.families.record import FC1, FC2, OUT, QKV, Family, LayerKinds

_RECORDS = (
    # ModernBERT: arXiv 2412.13663. Their MLP dropout stands before the output projection, ours after it.
    Family(
        name="modernbert",
        model_type="modernbert",
        prefix="ModernBert",
        head="ForMaskedLM",
        defaults={
            "vocab_size": 50_368, "hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22,
            "num_attention_heads": 12, "hidden_activation": "gelu", "max_position_embeddings": 8192,
            "initializer_range": 0.02, "norm_eps": 1e-5, "norm_bias": False, "attention_bias": False,
            "attention_dropout": 0.0, "layer_types": None, "global_attn_every_n_layers": 3, "rope_parameters": None,
            "rope_scaling": None, "global_rope_theta": 160_000.0, "local_rope_theta": 10_000.0, "local_attention": 128,
            "embedding_dropout": 0.0, "mlp_bias": False, "mlp_dropout": 0.0, "decoder_bias": True,
            "classifier_bias": False, "classifier_activation": "gelu", "tie_word_embeddings": True,
        },
        fixed={
            "attention_bias": False, "mlp_bias": False, "norm_bias": False, "classifier_bias": False,
            "decoder_bias": True, "hidden_activation": "gelu", "classifier_activation": "gelu",
        },
        keys={
            "vocab_size": "vocab_size", "num_layers": "num_hidden_layers", "hidden_size": "hidden_size",
            "num_heads": "num_attention_heads", "ffn_size": "intermediate_size",
            "max_positions": "max_position_embeddings", "local_window": "local_attention", "norm_eps": "norm_eps",
            "tie_embeddings": "tie_word_embeddings", "embedding_dropout": "embedding_dropout",
            "mlp_dropout": "mlp_dropout", "init_std": "initializer_range",
        },
        layer={
            "input_layernorm": ("attn_norm",), QKV: ("attn.Wqkv",), OUT: ("attn.Wo",),
            "pre_mlp_layernorm": ("mlp_norm",), FC1: ("mlp.Wi",), FC2: ("mlp.Wo",),
        },
        kinds=LayerKinds(
            every="global_attn_every_n_layers", last=False, theta_global="global_rope_theta",
            theta_local="local_rope_theta", null_is_global=True, scales_local=True,
        ),
    ),
)  # fmt: skip
ENCODERS: dict[str, Family] = {family.name: family for family in _RECORDS}
"""Value of `model.architecture` -> family."""
