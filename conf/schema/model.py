"""Group `model`: the shape of the net."""

from dataclasses import dataclass

from conf.schema.choice import choice


@dataclass
class EncoderConfig:
    """A ModernBERT encoder (arXiv 2412.13663). Sizes are in units of one scalar unless said otherwise."""

    architecture: str = choice("modernbert")
    """Family of the net; `modernbert` is the only one so far."""
    vocab_size: int = 32_000
    """Rows of the embedding table; at least the tokenizer's vocabulary."""
    num_layers: int = 22
    """Transformer layers."""
    hidden_size: int = 768
    """Width of the residual stream."""
    num_heads: int = 12
    """Attention heads; each is hidden_size / num_heads wide."""
    ffn_size: int = 1152
    """Half width of the gated feed-forward layer (its input projection is twice this)."""
    max_positions: int = 1024
    """Longest document, in tokens."""
    local_window: int = 128
    """Window of local layers: half of it on each side, both ends included."""
    global_every: int = 3
    """Layers 0, n, 2n, ... attend globally; the rest locally."""
    rope_theta_local: float = 10_000.0
    """RoPE base of local layers."""
    rope_theta_global: float = 160_000.0
    """RoPE base of global layers."""
    norm: str = choice("layernorm", "rmsnorm")
    """layernorm (without bias) or rmsnorm. Hugging Face's ModernBERT knows only the first, so export refuses the second."""
    norm_eps: float = 1e-5
    """Epsilon of every norm."""
    tie_embeddings: bool = True
    """Share the embedding table with the decoder of the head."""
    embedding_dropout: float = 0.0
    """Dropout after the embedding norm."""
    attention_out_dropout: float = 0.1
    """Dropout after the attention's output projection."""
    mlp_dropout: float = 0.0
    """Dropout after the feed-forward layer."""
    init_std: float = 0.02
    """Standard deviation of the initial weights; output projections are divided by sqrt(2 x num_layers)."""
    decoder_bias_init: str = choice("zeros", "log_unigram")
    """Bias of the decoder at the start: zeros, or log_unigram (log frequency of each token in the training data)."""
