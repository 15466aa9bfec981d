"""Repeated paragraphs: those that occur again, in other documents or in the same one; the first occurrence stays.

Paragraphs are separated by blank lines; in a text without a blank line every line is one.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from data_prep.dedup.buckets import edges
from data_prep.dedup.signature import token_prefix
from data_prep.text.batch import Batch, Spans

VERSION = 1
"""Raised by hand whenever the same text may be cut into other paragraphs or get other keys: documents are compared
anew; ``tests/data_prep/versions`` holds it to that."""


def split(batch: Batch) -> Spans:
    """The paragraphs of a batch, without white space at both ends."""
    lines = batch.stripped_lines
    inked = lines.lengths > 0
    blank = np.diff(np.searchsorted(np.flatnonzero(~inked), lines.bounds)) > 0
    opens = np.ones(len(lines), bool)
    opens[1:] = ~inked[:-1] | ~blank[lines.owners[1:]]
    opens[lines.bounds[:-1]] = True
    closes = np.append(opens[1:] | ~inked[1:], True)
    return batch.spans(lines.starts[inked & opens], lines.ends[inked & closes])


def keys(batch: Batch, min_characters: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hash all paragraphs of at least ``min_characters``: key (uint64; blind to case and white space), document (int64)
    and number within it (int64, counting the shorter ones too), each [p], in order."""
    paragraphs = split(batch)
    chosen = paragraphs.lengths >= min_characters
    numbers = np.arange(len(paragraphs)) - paragraphs.bounds[paragraphs.owners]
    places = [np.searchsorted(batch.tokens.starts, border[chosen]) for border in (paragraphs.starts, paragraphs.ends)]
    return token_prefix(batch).spans(*places), paragraphs.owners[chosen], numbers[chosen]


def repeated(
    folders: Sequence[Path], firsts: Sequence[int], part: int, parts: int, alive: np.ndarray | None = None
) -> np.ndarray:
    """Numbers [r] (int64, ascending) of the paragraphs whose key an earlier one has, numbered over all shards.

    `buckets.write_sorted` wrote the keys [p, 1] of each shard; the other arguments are those of `buckets.edges`.
    ``alive``: the paragraphs of documents that are still there, lest text be removed for the sake of a document that is
    dropped."""
    return np.sort(edges(folders, firsts, 0, part, parts, alive)[:, 1])


def remove(text: str, numbers: Collection[int]) -> str:
    """``text`` without the paragraphs of these numbers; what separated them from the next goes with them."""
    paragraphs = split(Batch([text]))
    gone = sorted(numbers)
    starts = np.append(paragraphs.starts, len(text))
    kept, at = [], 0
    for number in gone:
        kept.append(text[at : starts[number]])
        at = int(starts[number + 1])
    return "".join([*kept, text[at:]]).rstrip() if gone else text
