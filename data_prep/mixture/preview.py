"""Preview of what a model will read: windows at random places of the final streams, decoded, with source and origin of
every document in view."""

import bisect
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.layout import DOCUMENTS
from data_prep.mixture.order import key_of
from data_prep.mixture.sources import Source
from data_prep.tokens.indexed import BIN, IDX, read_index
from data_prep.tokens.origins import read_rows


def preview(
    folders: Mapping[str, Path], sources: Sequence[Source], tokenizer: Path, places: int, width: int, seed: int
) -> list[dict[str, Any]]:
    """``places`` windows of ``width`` tokens, drawn by ``seed`` evenly from all tokens of all phases, in their
    order."""
    from tokenizers import Tokenizer

    reader = Tokenizer.from_file(str(tokenizer))
    streams = {name: _Stream(folder) for name, folder in folders.items()}
    whole = sum(stream.tokens for stream in streams.values())
    drawn = sorted(key_of(seed, "preview", number) % whole for number in range(places))
    return [_window(streams, sources, reader, place, width) for place in drawn]


class _Stream:
    def __init__(self, folder: Path):
        self.index = read_index(folder / IDX)
        self.tokens = self.index.tokens
        self.ids = np.memmap(folder / BIN, self.index.dtype, "r")
        self.rows = read_rows(folder / DOCUMENTS, 3)


def _window(
    streams: Mapping[str, _Stream], sources: Sequence[Source], reader: Any, place: int, width: int
) -> dict[str, Any]:
    firsts = [0, *itertools.accumulate(stream.tokens for stream in streams.values())]
    number = bisect.bisect_right(firsts, place) - 1
    phase, stream = list(streams.items())[number]
    place -= firsts[number]
    begins = stream.index.offsets
    size = stream.index.dtype.itemsize
    first, end = max(0, min(place, stream.tokens - width)), min(stream.tokens, place + width)
    document = int(np.searchsorted(begins, first * size, side="right")) - 1
    pieces = []
    while document < len(begins) and int(begins[document]) // size < end:
        begin = int(begins[document]) // size
        stop = begin + int(stream.index.lengths[document])
        number, own, repeat = stream.rows[document].tolist()
        ids = stream.ids[max(begin, first) : min(stop, end)].tolist()
        pieces.append(
            {
                "position": document,
                "source": sources[number].name,
                "document": own,
                "reading": repeat + 1,
                "origin": origin(sources[number], own),
                "from_token": max(begin, first) - begin,
                "of_tokens": stop - begin,
                "text": reader.decode(ids, skip_special_tokens=False),
            }
        )
        document += 1
    return {"phase": phase, "token": first, "documents": pieces}


def origin(source: Source, document: int) -> str:
    """File and line that a document came from; empty where that is not known."""
    if source.origins is None:
        return ""
    span, row = source.origins.of(document)
    return span.place(row)
