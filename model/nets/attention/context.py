"""Context parallelism: each rank of a group holds a part of the tokens of a pack, and sees the keys and values of all.

A pack is cut into 2 n chunks, and rank r of n holds chunks r and 2 n - 1 - r. In a long document a token costs as much
as there is before it, so the first and the last chunk together cost what any other such pair costs (Llama 3, arXiv
2407.21783, section 3.3.2, does it so too). Keys and values, which grouped queries make small, are gathered whole in
each layer; their gradients are summed over the ranks."""

from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from megatron.core.tensor_parallel import gather_from_sequence_parallel_region

from model.nets.attention.window import Attend, Prepare, Window
from model.nets.pack import Pack


@dataclass(frozen=True)
class Share:
    """This rank's part of packs of so many tokens."""

    group: torch.distributed.ProcessGroup
    """Ranks that share a pack."""
    tokens: int
    """Tokens of the pack, or more: what is missing is as if filled up at its end. A multiple of twice the ranks."""

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """First token of each of the two chunks, and the one after its last."""
        size, rank = self.group.size(), self.group.rank()
        width = self.tokens // (2 * size)
        return [(number * width, (number + 1) * width) for number in (rank, 2 * size - 1 - rank)]

    def take(self, values: torch.Tensor) -> torch.Tensor:
        """This rank's part of `values` `[T, ...]`, one a token of the pack, filled or not."""
        return torch.cat([values[first:last] for first, last in self.chunks])

    def unfilled(self, states: torch.Tensor, tokens: int) -> torch.Tensor:
        """Of this rank's part of the filled pack what belongs to its first `tokens`."""
        if tokens == self.tokens:
            return states
        parts = zip(states.chunk(2), self.chunks, strict=True)
        return torch.cat([part[: max(0, tokens - first)] for part, (first, _) in parts])

    def gather(self, part: torch.Tensor) -> torch.Tensor:
        """`[T / n, ...]` of each rank -> `[T, ...]` in the order of the pack; the gradient is summed over the ranks."""
        by_rank = gather_from_sequence_parallel_region(part, True, self.group).unflatten(0, (self.group.size(), 2, -1))
        return torch.cat((by_rank[:, 0].flatten(0, 1), by_rank[:, 1].flip(0).flatten(0, 1)))


def prepare_share(prepare: Prepare, pack: Pack, window: Window, dtype: torch.dtype, share: Share) -> Attend:
    """Attention of this rank's part of the filled `pack`, by the backend of `prepare`: queries, keys and values are `[T
    / n, ...]`."""
    queries, keys, spans = _pieces(pack, window, share)
    attend = prepare(queries, window, dtype, keys)

    def over_ranks(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        both = share.gather(torch.cat((key, value), dim=-1))  # one message
        key, value = torch.cat([both[first:last] for first, last in spans]).chunk(2, dim=-1)
        return attend(query, key, value)

    return over_ranks


def _pieces(pack: Pack, window: Window, share: Share) -> tuple[Pack, Pack, list[tuple[int, int]]]:
    """What each document has in this rank's chunks, as a pack; what that sees, as another; and where the tokens of the
    other are.

    The window looks back alone (queries are the last tokens of what they see), or shows whole documents. A chunk sees
    one span of the pack: where one document ends the next begins."""
    query_lengths, key_lengths, spans = [], [], []
    for start, end in share.chunks:
        seen = []
        for first, last in pairwise(accumulate(pack.lengths, initial=0)):
            begin, stop = max(first, start), min(last, end)
            if begin < stop:
                seen.append(
                    (
                        max(first, begin - window.left) if window.left >= 0 else first,
                        stop if window.right == 0 else last,
                    )
                )
                query_lengths.append(stop - begin)
                key_lengths.append(seen[-1][1] - seen[-1][0])
        spans.append((seen[0][0], seen[-1][1]))
    keys = torch.cat([pack.tokens[first:last] for first, last in spans])
    return _pack(share.take(pack.tokens), query_lengths), _pack(keys, key_lengths), spans


def _pack(tokens: torch.Tensor, lengths: list[int]) -> Pack:
    cu_seqlens = torch.tensor(list(accumulate(lengths, initial=0)), dtype=torch.int32, device=tokens.device)
    return Pack(tokens, cu_seqlens, lengths)
