"""Group `model`: the shape of the net."""

from dataclasses import dataclass, field
from typing import Annotated

from conf.families import DECODERS, ENCODERS
from conf.schema.choice import choice
from conf.schema.kinds import opened
from conf.schema.ranges import AUTO, Count, PartShare, Positive, Range, Ratio, RopeBase, Size, SomeShare


@dataclass
class ModelConfig:
    """What every net has; `EncoderConfig` and `DecoderConfig` are the two kinds. Sizes are in units of one scalar
    unless said otherwise."""

    architecture: str = ""
    """Family of the net."""


@dataclass
class EncoderConfig(ModelConfig):
    """A ModernBERT encoder (arXiv 2412.13663)."""

    architecture: str = choice(*ENCODERS)
    """Family of the net."""
    vocab_size: Size | str = 32_000
    """Rows of the embedding table; at least the tokenizer's vocabulary. auto: that, filled up to a multiple of 128."""
    num_layers: Size = 22
    """Transformer layers."""
    hidden_size: Size = 768
    """Width of the residual stream."""
    num_heads: Size = 12
    """Attention heads; each is hidden_size / num_heads wide."""
    ffn_size: Size = 1152
    """Half width of the gated feed-forward layer (its input projection is twice this)."""
    max_positions: Positive = 1024
    """Longest document, in tokens."""
    local_window: Annotated[int, Range(2)] = 128
    """Window of local layers: half of it on each side, both ends included."""
    global_every: Size = 3
    """Layers 0, n, 2n, ... attend globally; the rest locally."""
    rope_theta_local: RopeBase = 10_000.0
    """RoPE base of local layers."""
    rope_theta_global: RopeBase = 160_000.0
    """RoPE base of global layers."""
    norm: str = choice("layernorm", "rmsnorm")
    """layernorm (without bias) or rmsnorm. Hugging Face's ModernBERT knows only the first, so export refuses the
    second."""
    norm_eps: SomeShare = 1e-5
    """Epsilon of every norm."""
    tie_embeddings: bool = True
    """Share the embedding table with the decoder of the head."""
    embedding_dropout: PartShare = 0.0
    """Dropout after the embedding norm."""
    attention_out_dropout: PartShare = 0.1
    """Dropout after the attention's output projection."""
    mlp_dropout: PartShare = 0.0
    """Dropout after the feed-forward layer."""
    init_std: Annotated[float, Range(0, 100)] = 0.02
    """Standard deviation of the initial weights; output projections are divided by sqrt(2 x num_layers)."""
    decoder_bias_init: str = choice("zeros", "log_unigram")
    """Bias of the decoder at the start: zeros, or log_unigram (log frequency of each token in the training data)."""


@dataclass
class RopeScalingConfig:
    """How rotations are stretched for documents longer than those of the pre-training (Hugging Face's
    `rope_parameters`)."""

    kind: str = choice("none", "linear", "llama3", "yarn")
    """none; linear (positions divided by the factor); llama3 (low frequencies alone); yarn (arXiv 2309.00071)."""
    factor: Annotated[float, Range(1, 1_000_000)] = 1.0
    """How many times longer."""
    original_max_positions: Count = 0
    """llama3, yarn: longest document of the pre-training."""
    low_freq_factor: Ratio = 1.0
    """llama3: wavelengths above original_max_positions / this are stretched whole."""
    high_freq_factor: Ratio = 4.0
    """llama3: wavelengths below original_max_positions / this are left alone."""
    beta_fast: Ratio = 32.0
    """yarn: frequencies that turn more often than this within original_max_positions are left alone."""
    beta_slow: Ratio = 1.0
    """yarn: frequencies that turn less often than this are stretched whole."""


@dataclass
class LoraConfig:
    """Low-rank adaptation (arXiv 2106.09685): the net stays as it is, and small matrices beside its projections are
    learnt."""

    rank: Annotated[int, Range(0, 1_000_000)] = 0
    """Rank of the added matrices; 0 trains the net itself."""
    alpha: Ratio = 32.0
    """The added product is scaled by alpha / rank."""
    dropout: PartShare = 0.0
    """Dropout on what goes into the added matrices, in training."""
    targets: list[str] = field(
        default_factory=lambda: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )
    """Projections that get them, by their names in Hugging Face's models (phi has q_proj, k_proj, v_proj, dense, fc1,
    fc2)."""


@dataclass
class DecoderConfig(ModelConfig):
    """A causal language model of one of the families in `conf.families`, as Hugging Face's classes compute them."""

    architecture: str = choice(*DECODERS)
    """Family of the net, mostly as `model_type` in Hugging Face's config.json. It decides what has a bias, which norms
    there are and where, the activation, and whether attention and feed-forward run side by side (`conf.families`)."""
    vocab_size: Size | str = 32_000
    """Rows of the embedding table as they are exported; at least the tokenizer's vocabulary. auto: that, filled up to a
    multiple of 128. In memory they are filled up so in any case, and what fills is never predicted."""
    num_layers: Size = 4
    """Transformer layers."""
    hidden_size: Size = 256
    """Width of the residual stream."""
    num_heads: Size = 4
    """Heads of queries."""
    num_kv_heads: Size = 2
    """Heads of keys and values; each serves num_heads / num_kv_heads heads of queries."""
    head_width: Size = 64
    """Width of a head."""
    ffn_size: Size = 768
    """Width of the feed-forward layer (of one half where it is gated: all but phi)."""
    max_positions: Positive = 4096
    """Longest document, in tokens."""
    rope_theta: RopeBase = 10_000.0
    """RoPE base; of global layers where there are local ones."""
    rope_theta_local: Annotated[float, Range(0, 10**12)] = 0.0
    """RoPE base of local layers; 0 for that of the others."""
    rope_share: SomeShare = 1.0
    """Share of a head's width that is rotated (phi: 0.4)."""
    rope_scaling: RopeScalingConfig = field(default_factory=RopeScalingConfig)
    """Stretched rotations, of global layers where there are local ones."""
    window: Count = 0
    """Sliding window: a token sees itself and the window - 1 tokens before it; 0 for all before it (mistral). With
    `global_every` it is of the local layers alone."""
    global_every: Count = 0
    """Layers n - 1, 2n - 1, ... see whole documents, the others the window; 0 for layers that are all alike."""
    attention_scalar: Count = 0
    """Scores of attention are divided by the square root of this; 0 for the width of a head."""
    norm_eps: SomeShare = 1e-6
    """Epsilon of every norm."""
    tie_embeddings: bool = True
    """Share the embedding table with the head."""
    dropout: PartShare = 0.0
    """Dropout after the embedding, the attention's output projection and the feed-forward layer."""
    init_std: Annotated[float, Range(0, 100)] = 0.02
    """Standard deviation of the initial weights; output projections are divided by sqrt(2 x num_layers)."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Low-rank adaptation."""


AutoConfig = opened("AutoConfig", ModelConfig, (EncoderConfig, DecoderConfig), choice(AUTO), __name__)
"""A net whose shape is read where a training starts from (`model.training.run.open_model`): keys of either kind, null
where that is to say them."""

MODELS: tuple[type[ModelConfig], ...] = (EncoderConfig, DecoderConfig)
"""What section `model` may be."""
