"""What a net is made of, for whoever counts: the products of a layer, norms, tables. Plain numbers, no PyTorch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from conf.families import DECODERS
from conf.schema import DecoderConfig, EncoderConfig, ModelConfig
from model.projections import adapted
from model.shapes import is_local, padded_vocab


@dataclass(frozen=True)
class Projection:
    """A linear layer."""

    name: str
    """Name in Hugging Face's models."""
    inputs: int
    """Width of what it reads."""
    outputs: int
    """Width of what it gives."""
    bias: bool = False
    """Whether it adds a bias."""
    rank: int = 0
    """Rank of the low-rank matrices beside it; 0 for none."""
    by_rows: bool = False
    """Tensor-parallel ranks cut what it reads, and add what they give up; else they cut what it gives."""

    @property
    def weights(self) -> int:
        """Numbers of the matrix; a token costs twice as many operations."""
        return self.inputs * self.outputs

    @property
    def parameters(self) -> int:
        """Matrix and bias."""
        return self.weights + self.bias * self.outputs

    @property
    def added(self) -> int:
        """Numbers of the low-rank matrices."""
        return self.rank * (self.inputs + self.outputs)

    def held(self, tensor: int) -> int:
        """Parameters that each of ``tensor`` ranks holds: a part of the matrix, and of the bias where outputs are
        cut."""
        return self.weights // tensor + self.bias * (self.outputs if self.by_rows else self.outputs // tensor)

    def added_held(self, tensor: int) -> int:
        """Numbers of the low-rank matrices that each holds: one of the two is whole."""
        cut, whole = (self.inputs, self.outputs) if self.by_rows else (self.outputs, self.inputs)
        return self.rank * (cut // tensor + whole)


@dataclass(frozen=True)
class Reach:
    """Layers that attend alike."""

    layers: int
    """How many."""
    causal: bool
    """A token sees what is before it, and itself; else both sides."""
    window: int | None = None
    """Causal: a token sees itself and the window - 1 before it; else half of the window on each side and itself. None:
    the document."""

    def pairs(self, lengths: Iterable[int]) -> int:
        """Query-key pairs of all these layers over documents of ``lengths`` [n]."""
        count = causal_pairs if self.causal else attended_pairs
        return self.layers * count(lengths, self.window)


@dataclass(frozen=True)
class Anatomy:
    """Everything that counts of a net."""

    hidden: int
    """Width of the residual stream."""
    layers: int
    """Transformer layers."""
    heads: int
    """Heads of queries."""
    kv_heads: int
    """Heads of keys and values."""
    queries: int
    """Width of all heads of queries."""
    keys: int
    """Width of all heads of keys."""
    ffn: int
    """Width of the feed-forward layer; of one half where it is gated."""
    gated: bool
    """The feed-forward layer multiplies two halves."""
    vocab: int
    """Rows of the table of embeddings."""
    rows: int
    """Likewise in memory."""
    tied: bool
    """The head reads the same table."""
    projections: tuple[Projection, ...]
    """Of one layer."""
    pre_norms: int
    """Norms over the residual stream in one layer, before its branches."""
    post_norms: int
    """Norms of what its branches give."""
    norm_width: int
    """Parameters of one of them."""
    qk_norm: str
    """Norms of queries and keys: head (each head by itself), width (all heads together), or none."""
    dropouts: int
    """Dropouts over the residual stream in one layer."""
    before: int
    """Parameters before the layers beside the table (less what layer 0 lacks)."""
    after: int
    """Parameters after the layers beside the head's matrix and its bias."""
    head_weights: int
    """Numbers of the head's products before the vocabulary."""
    head_bias: bool
    """Whether logits have a bias."""
    reaches: tuple[Reach, ...]
    """What its layers attend to."""

    @property
    def norms(self) -> int:
        """Norms of one layer, those of queries and keys aside."""
        return self.pre_norms + self.post_norms

    def layer_norms(self, tensor: int = 1) -> int:
        """Parameters of the norms of one layer that each of ``tensor`` ranks holds; those over all heads are cut."""
        by_kind = {"": 0, "head": 2 * self.queries // self.heads, "width": (self.queries + self.keys) // tensor}
        return self.norms * self.norm_width + by_kind[self.qk_norm]

    @property
    def weights(self) -> int:
        """Numbers of the matrices of one layer."""
        return sum(projection.weights for projection in self.projections)

    @property
    def added(self) -> int:
        """Numbers of the low-rank matrices of one layer; 0 where the net itself is trained."""
        return sum(projection.added for projection in self.projections)

    @property
    def parameters(self) -> int:
        """Parameters of the net, low-rank matrices aside."""
        tables = self.vocab * self.hidden * (1 if self.tied else 2) + self.head_bias * self.vocab
        layer = sum(projection.parameters for projection in self.projections) + self.layer_norms()
        return tables + self.before + self.layers * layer + self.after

    def pairs(self, lengths: Iterable[int]) -> int:
        """Query-key pairs of all layers over documents of ``lengths`` [n]."""
        n = whole_numbers(lengths)
        return sum(reach.pairs(n) for reach in self.reaches)


def anatomy(config: ModelConfig) -> Anatomy:
    """The net of ``config``. Raises UserError for low-rank matrices that it cannot have."""
    return _decoder(config) if isinstance(config, DecoderConfig) else _encoder(config)


def whole_numbers(lengths: Iterable[int]) -> np.ndarray:
    """``lengths`` as an array [n]."""
    return np.asarray(lengths if isinstance(lengths, np.ndarray) else list(lengths), dtype=np.int64)


def attended_pairs(lengths: Iterable[int], window: int | None = None) -> int:
    """Query-key pairs over documents of ``lengths`` [n]; with ``window`` only those at most window / 2 apart, both
    sides and itself.

    A document of n tokens has n^2 pairs; with h = window / 2 and n > h it has n (2h + 1) - h (h + 1).
    """
    n = whole_numbers(lengths)
    if window is None:
        return int((n * n).sum())
    h = window // 2
    return int(np.where(n > h, n * (2 * h + 1) - h * (h + 1), n * n).sum())


def causal_pairs(lengths: Iterable[int], window: int | None = None) -> int:
    """Likewise where a token sees itself and what is before it; with ``window`` itself and the window - 1 before it.

    A document of n tokens has n (n + 1) / 2 pairs; with a window w < n the (n - w) (n - w + 1) / 2 furthest are not
    seen."""
    n = whole_numbers(lengths)
    hidden = np.zeros_like(n) if window is None else np.maximum(n - window, 0)
    return int(((n * (n + 1) - hidden * (hidden + 1)) // 2).sum())


def _encoder(config: EncoderConfig) -> Anatomy:
    """ModernBERT: no biases but the logits'; layer 0 without its first norm; norms after the embedding, at the end and
    in the head."""
    h, f = config.hidden_size, config.ffn_size
    whole = -(-config.num_layers // config.global_every)
    return Anatomy(
        hidden=h,
        layers=config.num_layers,
        heads=config.num_heads,
        kv_heads=config.num_heads,
        queries=h,
        keys=h,
        ffn=f,
        gated=True,
        vocab=config.vocab_size,
        rows=config.vocab_size,
        tied=config.tie_embeddings,
        projections=(
            Projection("Wqkv", h, 3 * h),
            Projection("Wo", h, h, by_rows=True),
            Projection("Wi", h, 2 * f),
            Projection("mlp.Wo", f, h, by_rows=True),
        ),
        pre_norms=2,
        post_norms=0,
        norm_width=h,
        qk_norm="",
        dropouts=(config.attention_out_dropout > 0) + (config.mlp_dropout > 0),
        before=h - h,
        after=h + h * h + h,
        head_weights=h * h,
        head_bias=True,
        reaches=(Reach(whole, False), Reach(config.num_layers - whole, False, config.local_window)),
    )


def _decoder(config: DecoderConfig) -> Anatomy:
    """By the traits of the family."""
    h, family = config.hidden_size, DECODERS[config.architecture]
    norm_width = 2 * h if family.norm_bias else h
    local = sum(is_local(config, layer) for layer in range(config.num_layers))
    window = config.window or None
    return Anatomy(
        hidden=h,
        layers=config.num_layers,
        heads=config.num_heads,
        kv_heads=config.num_kv_heads,
        queries=config.num_heads * config.head_width,
        keys=config.num_kv_heads * config.head_width,
        ffn=config.ffn_size,
        gated=family.gated,
        vocab=config.vocab_size,
        rows=padded_vocab(config),
        tied=config.tie_embeddings,
        projections=tuple(_decoder_projections(config)),
        pre_norms=family.pre_norm * (1 if family.side_by_side else 2),
        post_norms=2 * family.post_norm,
        norm_width=norm_width,
        qk_norm=family.qk_norm,
        dropouts=2 * (config.dropout > 0),
        before=0,
        after=norm_width,
        head_weights=0,
        head_bias=family.head_bias,
        reaches=(
            Reach(config.num_layers - local, True, None if config.global_every else window),
            Reach(local, True, window),
        ),
    )


def _decoder_projections(config: DecoderConfig) -> Iterator[Projection]:
    family = DECODERS[config.architecture]
    queries, keys = config.num_heads * config.head_width, config.num_kv_heads * config.head_width
    rank = dict.fromkeys(adapted(config), config.lora.rank)
    inputs = {"linear_proj": queries, "linear_fc2": config.ffn_size}
    outputs = {"linear_qkv": (queries, keys, keys), "linear_fc1": (config.ffn_size,) * 2}
    for linear, names in family.projections.items():
        biased = family.qkv_bias if linear == "linear_qkv" else family.linear_bias
        by_rows = linear in inputs
        for name, width in zip(names, outputs.get(linear, (config.hidden_size,)), strict=False):
            rows = inputs.get(linear, config.hidden_size)
            yield Projection(name, rows, width, biased, rank.get(name, 0), by_rows)
