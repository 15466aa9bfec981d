"""Attention by PyTorch's `scaled_dot_product_attention`, which runs everywhere: the way of the CPU, and of what no
other kernel takes."""

from functools import lru_cache, partial

import torch
import torch.nn.functional as F

from model.nets.attention.window import Attend, Window
from model.nets.pack import Pack

BAND_PAYS = 1.2
"""The band is used where it computes this many times fewer scores than whole documents would (measured on a CPU:
break-even at 1.1)."""


def refusal(device: torch.device, dtype: torch.dtype, head_width: int) -> None:
    """It never refuses."""


def prepare(pack: Pack, window: Window, dtype: torch.dtype, keys: Pack | None = None) -> Attend:
    """Attention over `pack` in the cheapest of three forms: documents of one length as a batch, one by one, or the pack
    as a band.

    With `keys` (see `Prepare`) always one by one.
    """
    if keys is not None:
        sizes = list(zip(pack.lengths, keys.lengths, strict=True))
        return partial(by_piece, sizes=sizes, masks=[piece_mask(window, *size, dtype, pack.device) for size in sizes])
    longest, scores = max(pack.lengths), sum(length * length for length in pack.lengths)
    if not _wants_mask(window, longest):
        return partial(by_document, lengths=pack.lengths, window=window)
    if window.bounded and scores > BAND_PAYS * len(pack.tokens) * 2 * _block(window):
        return partial(banded, window=window, mask=band_mask(pack.document_ids(), window, dtype))
    mask = window_mask(window, -(-longest // 128) * 128, dtype, pack.device)
    return partial(by_document, lengths=pack.lengths, window=window, mask=mask)


def _wants_mask(window: Window, length: int) -> bool:
    """Whether a document of `length` needs a mask: not where nothing is hidden, nor where PyTorch's own causal rule
    says it all."""
    return window.cuts_left(length) or (window.right > 0 and window.cuts_right(length))


def _block(window: Window) -> int:
    """C, the queries of a block of the band. They see C + left + right keys: two blocks of C, of which the first begins
    `left` before."""
    return max(1, window.left + window.right)


@lru_cache(maxsize=8)
def window_mask(window: Window, size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """0 where `window` shows the key, else -inf: `[size, size]`; the leading part of it serves any shorter document."""
    with torch.inference_mode(
        False
    ):  # it outlives this call, and a tensor made under inference mode could not be trained with
        places = torch.arange(size, device=device)
        return _additive(window.allows(places - places[:, None]), dtype)


def band_mask(documents: torch.Tensor, window: Window, dtype: torch.dtype) -> torch.Tensor:
    """Mask of `banded` for a pack whose tokens are in `documents` `[T]`: `[blocks, 1, C, 2 C]`."""
    size = _block(window)
    blocks, fill = _blocks(len(documents), window)
    documents = F.pad(
        F.pad(documents, (window.left, 0), value=-2), (0, fill), value=-1
    )  # what pads the end sees itself: no row is empty
    queries = documents[window.left : window.left + blocks * size].view(blocks, size, 1)
    keys = _overlapping(documents, size).view(blocks, 1, 2 * size)
    places = torch.arange(2 * size, device=documents.device)
    near = window.allows(places - window.left - places[:size, None])
    return _additive((queries == keys) & near, dtype).unsqueeze(1)


def _blocks(tokens: int, window: Window) -> tuple[int, int]:
    """Blocks of the band over so many tokens, and what fills the last after them."""
    size = _block(window)
    blocks = -(-tokens // size)
    return blocks, (blocks + 1) * size - window.left - tokens


def _additive(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill_(~allowed, float("-inf"))


def _overlapping(stream: torch.Tensor, size: int) -> torch.Tensor:
    """`[(blocks + 1) * size, ...]` -> `[blocks, 2 * size, ...]`: each block with the one after it."""
    shape = (-1, size, *stream.shape[1:])
    return torch.cat((stream[:-size].view(shape), stream[size:].view(shape)), dim=1)


def by_document(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: list[int],
    window: Window,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention document by document, or all at once where they have one length; `mask` is `[n, n]` with n at least the
    longest."""
    equal = min(lengths) == max(lengths)
    shape = (len(lengths), lengths[0]) if equal else (1, len(query))
    batch = [part.view(*shape, *part.shape[1:]) for part in (query, key, value)]
    if equal:
        return _whole(*batch, window, mask).reshape(query.shape)
    documents = zip(*(part.split(lengths, dim=1) for part in batch), strict=True)
    return torch.cat([_whole(*document, window, mask) for document in documents], dim=1).squeeze(0)


def _whole(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: Window, mask: torch.Tensor | None
) -> torch.Tensor:
    """Attention over documents of one length, `[b, n, h, d]`; the mask is left out where it would hide nothing."""
    length = query.shape[1]
    if _wants_mask(window, length):
        return _sdpa(query, key, value, mask[:length, :length])
    return _sdpa(query, key, value, causal=window.cuts_right(length))


def piece_mask(
    window: Window, queries: int, keys: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor | None:
    """Mask `[queries, keys]` where the former are the last of the latter; None where nothing is hidden from any of
    them."""
    if not _wants_mask(window, keys) and not window.cuts_right(queries):
        return None
    places = torch.arange(keys, device=device)
    return _additive(window.allows(places - places[keys - queries :, None]), dtype)


def by_piece(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    sizes: list[tuple[int, int]],
    masks: list[torch.Tensor | None],
) -> torch.Tensor:
    """Attention of the ends of documents to the whole of them; `sizes`: queries and keys of each document, `masks`: of
    `piece_mask`."""
    queries, seen = zip(*sizes, strict=True)
    parts = zip(query.split(queries), key.split(seen), value.split(seen), masks, strict=True)
    return torch.cat([_sdpa(*(part.unsqueeze(0) for part in piece), mask).squeeze(0) for *piece, mask in parts])


def banded(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: Window, mask: torch.Tensor
) -> torch.Tensor:
    """Attention over the whole pack, block by block: C queries against the 2 C tokens around them, masked by
    `band_mask`.

    The work grows with T x C, whatever the lengths of the documents.
    """
    size, tokens = _block(window), len(query)
    blocks, fill = _blocks(tokens, window)
    keys, values = (_overlapping(F.pad(part, (0, 0, 0, 0, window.left, fill)), size) for part in (key, value))
    queries = F.pad(query, (0, 0, 0, 0, 0, blocks * size - tokens)).view(blocks, size, *query.shape[1:])
    return _sdpa(queries, keys, values, mask).flatten(0, 1)[:tokens]


def _sdpa(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None, causal: bool = False
) -> torch.Tensor:
    """PyTorch's attention for heads last but one: `[b, n, h, d]` each, `mask` added to the scores -> `[b, n, h, d]`."""
    grouped = query.shape[2] != key.shape[2]
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value, mask, is_causal=causal, enable_gqa=grouped).transpose(1, 2)
