"""Drawing of documents: which a phase takes of each stratum, and the order in which they follow each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data_prep.mixture.budget import Asked
from data_prep.mixture.sources import Stratum

VERSION = 1
"""Raised by hand whenever the same sources may give other streams: streams that are there are refused;
``tests/data_prep/versions`` holds it to that."""
SLICE = 1 << 22
"""Tokens of the stream that are put together at once."""
DRAWN = np.dtype([("stratum", "u4"), ("document", "u4"), ("repeat", "u4"), ("length", "i8"), ("key", "f8")])


@dataclass(frozen=True)
class StratumShare:
    """The share of a phase in one stratum: ``documents`` from ``first`` on of the endless stream of its passes."""

    stratum: Stratum
    first: int
    documents: int
    asked: float
    tokens: int


def draw(asked: Asked, strata: Sequence[Stratum]) -> dict[str, list[StratumShare]]:
    """The shares of every phase. A stratum goes on where the phase before stopped.

    It is cut at the document nearest to all tokens asked of it so far, so that what it gives is never more than half a
    document away from that, and a phase never more than one."""
    sizes: dict[str, int] = {}
    for stratum in strata:
        sizes[stratum.source.name] = sizes.get(stratum.source.name, 0) + stratum.tokens
    place = [(0, 0, 0.0)] * len(strata)  # documents and tokens taken, tokens asked
    shares: dict[str, list[StratumShare]] = {}
    for phase, tokens in asked.items():
        shares[phase] = []
        for number, stratum in enumerate(strata):
            name = stratum.source.name
            if tokens.get(name) and stratum.documents:
                documents, taken, wanted = place[number]
                part = tokens[name] * stratum.tokens / sizes[name]
                end, sum_of_tokens = _advance(stratum, documents, taken, wanted + part)
                shares[phase].append(StratumShare(stratum, documents, end - documents, part, sum_of_tokens - taken))
                place[number] = end, sum_of_tokens, wanted + part
    return shares


def _advance(stratum: Stratum, position: int, tokens: int, target: float) -> tuple[int, int]:
    """Documents and tokens from the beginning of the stream to the end of the document nearest to ``target`` tokens."""
    while True:
        documents, _ = stratum.block(position, 1 << 62)
        sums = tokens + np.cumsum(stratum.source.index.lengths[documents], dtype=np.int64)
        if sums[-1] < target:
            position, tokens = position + len(documents), int(sums[-1])
            continue
        count = int(np.searchsorted(sums, target))  # the document that reaches the target
        before = int(sums[count - 1]) if count else tokens
        if sums[count] - target <= target - before:
            return position + count + 1, int(sums[count])
        return position + count, before


def stream(shares: Sequence[StratumShare]) -> Iterator[np.ndarray]:
    """The documents of a phase in their order, in parts [n] (DRAWN; ``stratum`` counts the shares).

    Each share is spread evenly: a document's key is the share's progress at its middle, and keys ascend. So at any
    place of the stream every source has its weight, to a document."""
    whole = sum(share.tokens for share in shares)
    taps = [_Tap(number, share) for number, share in enumerate(shares) if share.documents]
    slices = max(1, whole // SLICE)
    for number in range(1, slices + 1):
        bound = number / slices if number < slices else np.inf
        part = np.concatenate([tap.until(bound) for tap in taps])
        if len(part):
            yield part[np.argsort(part["key"], kind="stable")]


class _Tap:
    """The documents of one share, in the order of their keys."""

    def __init__(self, number: int, share: StratumShare):
        self.number, self.share = number, share
        self.position, self.end = share.first, share.first + share.documents
        self.tokens = 0
        self.waiting = np.zeros(0, DRAWN)

    def until(self, bound: float) -> np.ndarray:
        """Return the documents with keys below ``bound`` that were not given out before."""
        parts = [self.waiting]
        while self.position < self.end and not (len(parts[-1]) and parts[-1]["key"][-1] >= bound):
            parts.append(self._next())
        waiting = np.concatenate(parts)
        cut = int(np.searchsorted(waiting["key"], bound))
        self.waiting = waiting[cut:]
        return waiting[:cut]

    def _next(self) -> np.ndarray:
        stratum = self.share.stratum
        documents, repeat = stratum.block(self.position, self.end)
        drawn = np.zeros(len(documents), DRAWN)
        lengths = stratum.source.index.lengths[documents].astype(np.int64)
        ends = self.tokens + np.cumsum(lengths)
        drawn["stratum"], drawn["document"], drawn["repeat"], drawn["length"] = self.number, documents, repeat, lengths
        drawn["key"] = (ends - lengths / 2) / self.share.tokens
        self.position, self.tokens = self.position + len(documents), int(ends[-1])
        return drawn
