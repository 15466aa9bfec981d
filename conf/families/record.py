"""The record of a family: its names and keys in Hugging Face, its tensors, and its traits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

QKV, OUT, FC1, FC2 = "self_attention.linear_qkv", "self_attention.linear_proj", "mlp.linear_fc1", "mlp.linear_fc2"
"""Megatron-Core's linear layers of a transformer layer. `linear_qkv` holds queries, keys and values, a gated
`linear_fc1` both halves."""
GLOBAL, LOCAL = "full_attention", "sliding_attention"
"""Kinds of layers as config.json names them: those that see whole documents, and those that see a window."""
NEUTRAL: dict[str, Any] = {
    "window": 0,
    "global_every": 0,
    "rope_theta_local": 0.0,
    "rope_share": 1.0,
    "attention_scalar": 0,
}
"""Keys of a decoder that only some families have in Hugging Face -> the value that stands for their absence."""


@dataclass(frozen=True, kw_only=True)
class LayerKinds:
    """How global and local layers alternate, and the keys of config.json that say so."""

    every: str
    """Key of n: one of n layers is global."""
    last: bool
    """Layers n - 1, 2n - 1, ... are global; else 0, n, 2n, ..."""
    theta_global: str
    """Key of the RoPE base of global layers."""
    theta_local: str
    """Key of the RoPE base of local layers."""
    null_is_global: bool = False
    """Null as the base of local layers stands for that of the global ones."""
    scales_local: bool = False
    """`rope_scaling` is of all layers; else of the global ones alone."""

    def is_local(self, layer: int, every: int) -> bool:
        """Whether layer ``layer`` of a net, counted from 0, sees a window."""
        return (layer + self.last) % every != 0

    def types(self, layers: int, every: int) -> list[str]:
        """Kind of each of so many layers."""
        return [LOCAL if self.is_local(layer, every) else GLOBAL for layer in range(layers)]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What every family has."""

    name: str
    """Value of `model.architecture`."""
    model_type: str
    """`model_type` in Hugging Face's config.json."""
    prefix: str
    """Of transformers' classes: Qwen3 for `Qwen3Config`, `Qwen3ForCausalLM`."""
    head: str
    """The rest of the name of the class with the head."""
    config_prefix: str = ""
    """Of their configuration class, where it is another than `prefix`."""
    defaults: Mapping[str, Any]
    """Keys of config.json that are read -> what transformers' configuration class takes where one is left out."""
    fixed: Mapping[str, Any]
    """Keys of config.json that our net has one value for."""
    keys: Mapping[str, str]
    """Keys of `model` -> keys of config.json with the same meaning."""
    layer: Mapping[str, tuple[str, ...]]
    """Modules of a layer: ours -> theirs, in the order in which ours holds them."""
    kinds: LayerKinds | None = None
    """Global and local layers; None where all are alike."""

    @property
    def class_name(self) -> str:
        """transformers' class with the head."""
        return self.prefix + self.head

    @property
    def config_class(self) -> str:
        """transformers' class of configurations."""
        return (self.config_prefix or self.prefix) + "Config"

    def agreement(self, written: Mapping[str, Any]) -> int:
        """How many of its fixed keys a config.json has at their values."""
        return sum(written.get(key, self.defaults[key]) == value for key, value in self.fixed.items())


@dataclass(frozen=True, kw_only=True)
class DecoderFamily(Family):
    """A causal language model with rotary positions. The defaults are Llama's traits."""

    head: str = "ForCausalLM"
    final_norm: str = "norm"
    """Their name of the norm after the last layer."""
    dropout_keys: tuple[str, ...] = ()
    """Keys of config.json for `model.dropout`; none: their class has no such dropout."""
    always_head_dim: bool = True
    """Their class has a key for the width of a head. Else it heeds `head_dim` without having it, and that is written
    only where heads do not fill the hidden size."""
    norm: str = "rmsnorm"
    """Kind of every norm (`model.nets.norms.NORMS`): rmsnorm, rmsnorm_offset (multiplies by one more than its weight),
    layernorm_bias."""
    norm_bias: bool = False
    """Norms have a bias."""
    pre_norm: bool = True
    """Attention and feed-forward take a normed input."""
    post_norm: bool = False
    """Their outputs are normed before they are added to the residual stream."""
    side_by_side: bool = False
    """Attention and feed-forward take the same normed input, and their outputs are added (GPT-J)."""
    qk_norm: str = ""
    """Queries and keys are normed before they are rotated: head (each head by itself), width (all heads together), or
    not at all."""
    qkv_bias: bool = False
    """Queries, keys and values have a bias."""
    linear_bias: bool = False
    """The other projections of a layer have one."""
    head_bias: bool = False
    """Logits have one."""
    gated: bool = True
    """The feed-forward layer multiplies two halves, one of them through the activation (arXiv 2002.05202)."""
    activation: str = "silu"
    """Activation of the feed-forward layer: silu, or gelu_tanh (the tanh form of the GELU)."""
    scaled_embedding: bool = False
    """Embeddings are multiplied by the root of the hidden size."""
    projections: Mapping[str, tuple[str, ...]] = field(init=False)
    """Linear layers of ours by their last name -> the projections that each does, in its order, by their last names in
    Hugging Face."""

    def __post_init__(self) -> None:
        names = {ours.split(".")[1]: self.layer[ours] for ours in (QKV, OUT, FC1, FC2)}
        last_names = {ours: tuple(name.split(".")[1] for name in theirs) for ours, theirs in names.items()}
        object.__setattr__(self, "projections", last_names)

    def leaves(self, module: str) -> tuple[str, ...]:
        """Parameters of a module of ours, by its name in a layer or in the net: weight, and bias where it has one."""
        if module.endswith("layernorm"):
            biased = self.norm_bias
        elif module == "output_layer":
            biased = self.head_bias
        else:
            biased = self.qkv_bias if module == QKV else self.linear_bias
        return ("weight", "bias") if biased else ("weight",)
