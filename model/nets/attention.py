"""Bidirectional attention inside the documents of a pack, global or within a window."""

from dataclasses import dataclass, field
from functools import lru_cache

import torch
import torch.nn.functional as F
from megatron.core.packed_seq_params import PackedSeqParams
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.transformer_config import TransformerConfig

from model.nets.pack import Pack
from model.nets.rope import rope_table, rotate

BAND_PAYS = 1.2
"""The band is used where it computes this many times fewer scores than whole documents would (measured on a CPU: break-even at 1.1)."""


@dataclass
class Reach:
    """What one kind of layer needs to attend in one pack."""

    cos: torch.Tensor
    """Rotation of each token, `[T, 1, d / 2]` fp32."""
    sin: torch.Tensor
    """Likewise."""
    half: int = 0
    """Local layers: tokens within reach on each side."""
    window: torch.Tensor | None = None
    """Added to the scores of a document: 0 within the window, -inf outside, `[n, n]` with n at least the longest document."""
    band: torch.Tensor | None = None
    """Added to the scores of blocks of the pack (`banded`), `[blocks, 1, C, 2 C]`; takes the place of `window`."""


@dataclass
class Plan(PackedSeqParams):
    """How a pack is attended to. Megatron-Core hands it through to every layer, also when activations are recomputed."""

    lengths: list[int] = field(default_factory=list)
    """Tokens of each document."""
    everywhere: Reach | None = None
    """Global layers."""
    nearby: Reach | None = None
    """Local layers."""


@dataclass(frozen=True)
class Geometry:
    """What a plan depends on besides the pack."""

    head_width: int
    """Width of a head."""
    max_positions: int
    """Length of the rotary tables."""
    window: int
    """Window of local layers; half of it on each side, both ends included."""
    theta_global: float
    """RoPE base of global layers."""
    theta_local: float
    """RoPE base of local layers."""
    dtype: torch.dtype
    """Type of queries and keys, hence of the masks."""

    def plan(self, pack: Pack) -> Plan:
        """Plan of `pack`: rotations gathered for its tokens, and the mask of local layers in its cheapest form."""
        positions, half = pack.positions(), self.window // 2
        everywhere = Reach(*self._rotation(self.theta_global, positions))
        nearby = Reach(*self._rotation(self.theta_local, positions), half)
        longest, scores = max(pack.lengths), sum(length * length for length in pack.lengths)
        if longest > half + 1:
            if scores > BAND_PAYS * len(pack.tokens) * 4 * half:
                nearby.band = band_mask(pack.document_ids(), half, self.dtype)
            else:
                nearby.window = window_mask(half, -(-longest // 128) * 128, self.dtype, pack.device)
        return Plan(qkv_format="thd", lengths=pack.lengths, everywhere=everywhere, nearby=nearby)

    def _rotation(self, theta: float, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cos, sin = rope_table(theta, self.head_width, self.max_positions, positions.device)
        return cos[positions].unsqueeze(1), sin[positions].unsqueeze(1)


@lru_cache(maxsize=8)
def window_mask(half: int, size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """0 where |i - j| <= half, else -inf: `[size, size]`; the leading part of it serves any shorter document."""
    with torch.inference_mode(False):  # it outlives this call, and a tensor made under inference mode could not be trained with
        places = torch.arange(size, device=device)
        return _additive((places[:, None] - places).abs() <= half, dtype)


def band_mask(documents: torch.Tensor, half: int, dtype: torch.dtype) -> torch.Tensor:
    """Mask of `banded` for a pack whose tokens are in `documents` `[T]`: `[blocks, 1, C, 2 C]` with C = 2 half."""
    size = 2 * half
    blocks = -(-len(documents) // size)
    fill = (blocks + 1) * size - half - len(documents)
    documents = F.pad(F.pad(documents, (half, 0), value=-2), (0, fill), value=-1)  # what pads the end may see itself: no row is empty
    queries = documents[half : half + blocks * size].view(blocks, size, 1)
    keys = _overlapping(documents, size).view(blocks, 1, 2 * size)
    places = torch.arange(2 * size, device=documents.device)
    near = (places[:size, None] + half - places).abs() <= half
    return _additive((queries == keys) & near, dtype).unsqueeze(1)


def _additive(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill_(~allowed, float("-inf"))


def _overlapping(stream: torch.Tensor, size: int) -> torch.Tensor:
    """`[(blocks + 1) * size, ...]` -> `[blocks, 2 * size, ...]`: each block with the one after it."""
    shape = (-1, size, *stream.shape[1:])
    return torch.cat((stream[:-size].view(shape), stream[size:].view(shape)), dim=1)


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: list[int], reach: Reach) -> torch.Tensor:
    """Softmax attention of each document to itself, all `[T, h, d]`, already rotated. The cheapest of three ways is taken."""
    if reach.band is not None:
        return banded(query, key, value, reach.band)
    equal = min(lengths) == max(lengths)
    shape = (len(lengths), lengths[0], *query.shape[1:]) if equal else (1, *query.shape)
    batch = [part.view(shape) for part in (query, key, value)]
    if equal:
        return whole(*batch, reach).reshape(query.shape)
    documents = zip(*(part.split(lengths, dim=1) for part in batch), strict=True)
    return torch.cat([whole(*document, reach) for document in documents], dim=1).squeeze(0)


def whole(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, reach: Reach) -> torch.Tensor:
    """Attention over documents of one length, `[b, n, h, d]`; the window's mask is left out where it would hide nothing."""
    length = query.shape[1]
    hides = reach.window is not None and length > reach.half + 1
    return _sdpa(query, key, value, reach.window[:length, :length] if hides else None)


def banded(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, band: torch.Tensor) -> torch.Tensor:
    """Windowed attention over the whole pack, `[T, h, d]`: blocks of C queries against the C tokens before, at and after, masked by `band`.

    The work grows with T x C, whatever the lengths of the documents.
    """
    blocks, size, tokens = band.shape[0], band.shape[2], query.shape[0]
    fill = (blocks + 1) * size - size // 2 - tokens
    keys, values = (_overlapping(F.pad(part, (0, 0, 0, 0, size // 2, fill)), size) for part in (key, value))
    queries = F.pad(query, (0, 0, 0, 0, 0, blocks * size - tokens)).view(blocks, size, *query.shape[1:])
    return _sdpa(queries, keys, values, band).flatten(0, 1)[:tokens]


def _sdpa(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """PyTorch's attention for heads last but one: `[b, n, h, d]` each, `mask` added to the scores -> `[b, n, h, d]`."""
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)


class PackedAttention(MegatronModule):
    """Megatron-Core's core attention for packs: rotates queries and keys by the base of its kind of layer, then attends."""

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
        query, key = rotate(query, reach.cos, reach.sin), rotate(key, reach.cos, reach.sin)
        return attend(query, key, value, packed_seq_params.lengths, reach)
