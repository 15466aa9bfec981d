"""Small decoders of every family with nothing at its default, and transformers' classes with the same weights."""

import dataclasses
from typing import Any

import torch

from conf.schema import DecoderConfig
from conf.schema.model import RopeScalingConfig
from model.nets.pack import Pack

BASE = DecoderConfig(
    vocab_size=200, num_layers=2, hidden_size=64, num_heads=4, num_kv_heads=2, head_width=24, ffn_size=96,
    max_positions=256,
    rope_theta=1000.0, norm_eps=1e-5, tie_embeddings=False,
)  # fmt: skip
YARN = RopeScalingConfig(kind="yarn", factor=4.0, original_max_positions=64)
LLAMA3 = RopeScalingConfig(
    kind="llama3", factor=8.0, original_max_positions=64, low_freq_factor=1.0, high_freq_factor=4.0
)
LINEAR = RopeScalingConfig(kind="linear", factor=2.5)
SMALL: dict[str, DecoderConfig] = {
    "qwen3": dataclasses.replace(BASE, architecture="qwen3", tie_embeddings=True),
    "qwen3_yarn": dataclasses.replace(BASE, architecture="qwen3", rope_scaling=YARN),
    "qwen2": dataclasses.replace(
        BASE, architecture="qwen2", num_heads=8, head_width=8, norm_eps=1e-6, tie_embeddings=True
    ),
    "qwen2_linear": dataclasses.replace(BASE, architecture="qwen2", num_heads=8, head_width=8, rope_scaling=LINEAR),
    "llama": dataclasses.replace(BASE, architecture="llama", rope_scaling=LLAMA3),
    "llama_biased": dataclasses.replace(BASE, architecture="llama_biased", tie_embeddings=True),
    "mistral": dataclasses.replace(BASE, architecture="mistral", num_kv_heads=1, window=16),
    "gemma3_text": dataclasses.replace(
        BASE,
        architecture="gemma3_text",
        num_layers=4,
        window=16,
        global_every=2,
        rope_theta_local=50.0,
        attention_scalar=20,
        rope_scaling=LINEAR,
        tie_embeddings=True,
    ),  # fmt: skip
    "olmo2": dataclasses.replace(BASE, architecture="olmo2", num_kv_heads=2, head_width=16),
    "phi": dataclasses.replace(BASE, architecture="phi", num_kv_heads=4, head_width=16, rope_share=0.5),
}
_THEIRS = {
    "input_layernorm": "input_layernorm", "pre_mlp_layernorm": "post_attention_layernorm",
    "self_attention.q_layernorm": "self_attn.q_norm",
    "self_attention.k_layernorm": "self_attn.k_norm", "self_attention.linear_proj": "self_attn.o_proj",
    "mlp.linear_fc2": "mlp.down_proj",
}  # fmt: skip
_POST = {
    "post_self_attn_layernorm": "post_attention_layernorm", "post_mlp_layernorm": "post_feedforward_layernorm",
}  # fmt: skip
_OTHERS = {
    "phi": {"self_attention.linear_proj": "self_attn.dense", "mlp.linear_fc1": "mlp.fc1", "mlp.linear_fc2": "mlp.fc2"},
    "olmo2": _POST,
    "gemma3_text": _POST | {"pre_mlp_layernorm": "pre_feedforward_layernorm"},
}
_CLASSES = {
    "qwen3": "Qwen3", "qwen2": "Qwen2", "llama": "Llama", "llama_biased": "Llama", "mistral": "Mistral",
    "gemma3_text": "Gemma3", "olmo2": "Olmo2", "phi": "Phi",
}  # fmt: skip
_KEYS = {"llama_biased": {"attention_bias": True, "mlp_bias": True}}
"""Keys of theirs that tell a family apart."""


@torch.no_grad()
def randomise(net: torch.nn.Module, config: DecoderConfig, seed: int = 0) -> torch.nn.Module:
    """Every parameter drawn anew, large enough for tokens to matter to each other; rows that stand for no token stay as
    they are."""
    draw = torch.Generator().manual_seed(seed)
    for name, parameter in net.named_parameters():
        new = torch.randn(parameter.shape, generator=draw)
        new = (
            new * 1.5 / parameter.shape[1] ** 0.5 if parameter.ndim == 2 else 0.4 * new + float(name.endswith("weight"))
        )
        rows = config.vocab_size if "word_embeddings" in name or "output_layer" in name else None
        parameter[:rows].copy_(new[:rows])
    return net


def theirs_config(config: DecoderConfig) -> Any:
    """`config` as transformers says it."""
    import transformers  # here: the ranks of `decoder_ranks` have no use for it

    kind = _CLASSES[config.architecture]
    scaling = config.rope_scaling
    rope = {"rope_type": "default" if scaling.kind == "none" else scaling.kind, "rope_theta": config.rope_theta}
    rope |= {"partial_rotary_factor": config.rope_share} if config.rope_share < 1 else {}
    rope |= {"factor": scaling.factor} if scaling.kind != "none" else {}
    rope |= (
        {"original_max_position_embeddings": scaling.original_max_positions}
        if scaling.kind in ("llama3", "yarn")
        else {}
    )
    if scaling.kind == "llama3":
        rope |= {"low_freq_factor": scaling.low_freq_factor, "high_freq_factor": scaling.high_freq_factor}
    eps = "layer_norm_eps" if kind == "Phi" else "rms_norm_eps"
    values = {"head_dim": config.head_width} if kind not in ("Phi", "Qwen2", "Olmo2") else {}
    values |= {"sliding_window": config.window} if kind in ("Mistral", "Gemma3") else {}
    if kind == "Gemma3":
        values["query_pre_attn_scalar"] = config.attention_scalar
        kinds = "sliding_attention", "full_attention"
        values["layer_types"] = [kinds[(layer + 1) % config.global_every == 0] for layer in range(config.num_layers)]
        rope = {kinds[1]: rope, kinds[0]: {"rope_type": "default", "rope_theta": config.rope_theta_local}}
    values |= _KEYS.get(config.architecture, {})
    return getattr(transformers, f"{'Gemma3Text' if kind == 'Gemma3' else kind}Config")(
        vocab_size=config.vocab_size, hidden_size=config.hidden_size, intermediate_size=config.ffn_size,
        num_hidden_layers=config.num_layers, num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        max_position_embeddings=config.max_positions,
        tie_word_embeddings=config.tie_embeddings, rope_parameters=rope, attn_implementation="eager",
        **{eps: config.norm_eps}, **values,
    )  # fmt: skip


def theirs(config: DecoderConfig, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    """transformers' net of the same family with `weights`, which are ours, whole, by name."""
    import transformers

    net = getattr(transformers, f"{_CLASSES[config.architecture]}ForCausalLM")(theirs_config(config)).eval()
    missing, unexpected = net.load_state_dict(translate(config, weights), strict=False)
    assert not unexpected and set(missing) <= ({"lm_head.weight"} if config.tie_embeddings else set())
    net.tie_weights()
    return net


def translate(config: DecoderConfig, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our parameters (or their gradients) under transformers' names and in its layout."""
    found, names = {}, _THEIRS | _OTHERS.get(config.architecture, {})
    final = "final_layernorm" if config.architecture == "phi" else "norm"
    for name, tensor in weights.items():
        stem, kind = name.rsplit(".", 1)
        if stem in ("embedding.word_embeddings", "output_layer"):
            found["model.embed_tokens.weight" if "embed" in stem else f"lm_head.{kind}"] = tensor[: config.vocab_size]
        elif stem == "decoder.final_layernorm":
            found[f"model.{final}.{kind}"] = tensor
        else:
            _, _, layer, part = stem.split(".", 3)
            prefix = f"model.layers.{layer}"
            if part == "self_attention.linear_qkv":
                heads = tensor.unflatten(0, (config.num_kv_heads, -1, config.head_width))
                for who, some in (("q", heads[:, :-2]), ("k", heads[:, -2:-1]), ("v", heads[:, -1:])):
                    found[f"{prefix}.self_attn.{who}_proj.{kind}"] = some.flatten(0, 2)
            elif part == "mlp.linear_fc1" and config.architecture != "phi":
                found[f"{prefix}.mlp.gate_proj.{kind}"], found[f"{prefix}.mlp.up_proj.{kind}"] = tensor.chunk(2)
            else:
                found[f"{prefix}.{names[part]}.{kind}"] = tensor
    return found


def logits(net: torch.nn.Module, pack: Pack) -> torch.Tensor:
    """What transformers' `net` computes, document by document: `[T, V]`."""
    return torch.cat([net(input_ids=document[None]).logits[0] for document in pack.tokens.split(pack.lengths)])
