"""What a net is made of, for whoever counts: the products of a layer, norms, tables. Plain numbers, no PyTorch."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from common.errors import UserError
from conf.schema import DecoderConfig, EncoderConfig, ModelConfig


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


@dataclass(frozen=True)
class Reach:
    """Layers that attend alike."""

    layers: int
    """How many."""
    causal: bool
    """A token sees what is before it, and itself; else both sides."""
    window: int | None = None
    """Causal: a token sees itself and the window - 1 before it; else half of the window on each side and itself. None: the document."""

    def pairs(self, lengths: Iterable[int]) -> int:
        """Query-key pairs of all these layers over documents of ``lengths`` [n]."""
        count = causal_pairs if self.causal else attended_pairs
        return self.layers * count(lengths, self.window)


@dataclass(frozen=True)
class Shape:
    """Everything that counts of a net."""

    hidden: int
    """Width of the residual stream."""
    layers: int
    """Transformer layers."""
    vocab: int
    """Rows of the table of embeddings."""
    tied: bool
    """The head reads the same table."""
    queries: int
    """Width of all heads of queries."""
    projections: tuple[Projection, ...]
    """Of one layer."""
    layer_norms: int
    """Norms' parameters of one layer."""
    first: int
    """Parameters before the layers beside the table (less what layer 0 lacks)."""
    last: int
    """Parameters after the layers beside the head's matrix and `head_bias`."""
    head_weights: int
    """Numbers of the head's products before the vocabulary."""
    head_bias: bool
    """Whether logits have a bias."""
    reaches: tuple[Reach, ...]
    """What its layers attend to."""

    @property
    def layer_parameters(self) -> int:
        """Parameters of one layer, low-rank matrices aside."""
        return sum(projection.parameters for projection in self.projections) + self.layer_norms

    @property
    def added(self) -> int:
        """Numbers of all low-rank matrices; 0 where the net itself is trained."""
        return self.layers * sum(projection.added for projection in self.projections)

    @property
    def parameters(self) -> int:
        """Parameters of the net, low-rank matrices aside."""
        tables = self.vocab * self.hidden * (1 if self.tied else 2) + self.head_bias * self.vocab
        return tables + self.first + self.layers * self.layer_parameters + self.last

    def pairs(self, lengths: Iterable[int]) -> int:
        """Query-key pairs of all layers over documents of ``lengths`` [n]."""
        n = whole_numbers(lengths)
        return sum(reach.pairs(n) for reach in self.reaches)


def shape(config: ModelConfig) -> Shape:
    """The shape of the net of ``config``."""
    return _decoder(config) if isinstance(config, DecoderConfig) else _encoder(config)


def whole_numbers(lengths: Iterable[int]) -> np.ndarray:
    """``lengths`` as an array [n]."""
    return np.asarray(lengths if isinstance(lengths, np.ndarray) else list(lengths), dtype=np.int64)


def attended_pairs(lengths: Iterable[int], window: int | None = None) -> int:
    """Query-key pairs over documents of ``lengths`` [n]; with ``window`` only those at most window / 2 apart, both sides and itself.

    A document of n tokens has n^2 pairs; with h = window / 2 and n > h it has n (2h + 1) - h (h + 1).
    """
    n = whole_numbers(lengths)
    if window is None:
        return int((n * n).sum())
    h = window // 2
    return int(np.where(n > h, n * (2 * h + 1) - h * (h + 1), n * n).sum())


def causal_pairs(lengths: Iterable[int], window: int | None = None) -> int:
    """Likewise where a token sees itself and what is before it; with ``window`` itself and the window - 1 before it.

    A document of n tokens has n (n + 1) / 2 pairs; with a window w < n the (n - w) (n - w + 1) / 2 furthest are not seen.
    """
    n = whole_numbers(lengths)
    hidden = np.zeros_like(n) if window is None else np.maximum(n - window, 0)
    return int(((n * (n + 1) - hidden * (hidden + 1)) // 2).sum())


def _encoder(config: EncoderConfig) -> Shape:
    """ModernBERT: no biases but the logits'; layer 0 without its first norm; norms after the embedding, at the end and in the head."""
    h, f = config.hidden_size, config.ffn_size
    whole = -(-config.num_layers // config.global_every)
    return Shape(
        hidden=h,
        layers=config.num_layers,
        vocab=config.vocab_size,
        tied=config.tie_embeddings,
        queries=h,
        projections=(Projection("Wqkv", h, 3 * h), Projection("Wo", h, h), Projection("Wi", h, 2 * f), Projection("mlp.Wo", f, h)),
        layer_norms=2 * h,
        first=h - h,
        last=h + h * h + h,
        head_weights=h * h,
        head_bias=True,
        reaches=(Reach(whole, False), Reach(config.num_layers - whole, False, config.local_window)),
    )


def _decoder(config: DecoderConfig) -> Shape:
    """Qwen2 has biases of queries, keys and values; Qwen3 norms of queries and keys; Phi a bias everywhere, one norm a layer, no gate."""
    h, f, phi = config.hidden_size, config.ffn_size, config.architecture == "phi"
    queries, keys = config.num_heads * config.head_width, config.num_kv_heads * config.head_width
    reads = phi or config.architecture == "qwen2"
    attention = [("q_proj", h, queries, reads), ("k_proj", h, keys, reads), ("v_proj", h, keys, reads)]
    attention.append(("dense" if phi else "o_proj", queries, h, phi))
    gated = [("gate_proj", h, f, False), ("up_proj", h, f, False), ("down_proj", f, h, False)]
    feed_forward = [("fc1", h, f, True), ("fc2", f, h, True)] if phi else gated
    products = attention + feed_forward
    norm = 2 * h if phi else h
    return Shape(
        hidden=h,
        layers=config.num_layers,
        vocab=config.vocab_size,
        tied=config.tie_embeddings,
        queries=queries,
        projections=tuple(Projection(*product, rank=_rank(config, product[0], products)) for product in products),
        layer_norms=norm if phi else 2 * norm + 2 * config.head_width * (config.architecture == "qwen3"),
        first=0,
        last=norm,
        head_weights=0,
        head_bias=phi,
        reaches=(Reach(config.num_layers, True, config.window or None),),
    )


def _rank(config: DecoderConfig, name: str, products: list[tuple]) -> int:
    """Rank of what is beside the projection ``name``."""
    if not config.lora.rank:
        return 0
    known = [product[0] for product in products]
    wrong = next((target for target in config.lora.targets if target not in known), None)
    if wrong:
        raise UserError(f"model.lora.targets names {wrong}, which {config.architecture} has not; it has {', '.join(known)}")
    return config.lora.rank * (name in config.lora.targets)
