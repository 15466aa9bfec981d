"""Near-duplicates by shared runs of four words (w-shingling: Broder 1997, "On the resemblance and containment of
documents").

One measure throughout, Broder's containment: the share of a text's distinct shingles that any *one* other text holds.
It catches a short text copied into a long one, which Jaccard similarity does not. It is exact: shingles are numbered,
not hashed, and shared ones are counted through an inverted index, at a cost of the sum over shingles of its texts on
one side times those on the other."""

import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

WORDS = 4
WORD = re.compile(r"\w+")
MATCHES_AT_ONCE = 4_000_000
FIRST_ROWS, MOST_ROWS = 16, 2048


@dataclass
class Shingles:
    """Distinct shingles of n texts, those found in one text alone left out of the rows but not of the sizes."""

    starts: np.ndarray
    """[n + 1] int64: the shared shingles of text i are ``columns[starts[i]:starts[i + 1]]``."""
    columns: np.ndarray
    """[entries] int64: numbers of shingles, ascending within a text."""
    sizes: np.ndarray
    """[n] int64: distinct shingles of each text."""
    width: int
    """Numbers of shingles are below this."""

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, rows: np.ndarray) -> "Shingles":
        """The texts ``rows`` (numbers or a mask), with the same numbering of shingles."""
        rows = np.arange(len(self))[rows]
        lengths = np.diff(self.starts)[rows]
        columns = self.columns[_ranges(self.starts[rows], lengths)]
        return Shingles(np.concatenate([[0], np.cumsum(lengths)]), columns, self.sizes[rows], self.width)

    def owners(self) -> np.ndarray:
        """The text that each entry of ``columns`` belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """``starts[0], starts[0] + 1, ...`` (``lengths[0]`` of them), then those of ``starts[1]``, and so on."""
    return np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())


def _number(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Consecutive numbers for ``values`` [n], equal where they are equal, and how many there are."""
    distinct, numbers = np.unique(values, return_inverse=True)
    return numbers.astype(np.int64), len(distinct)


def _runs(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Number of the shingle at each place ([m]), the text it is in ([m]), and the number of distinct ones."""
    vocabulary: defaultdict[str, int] = defaultdict(count(1).__next__)
    words, lengths = array("q"), []
    for text in texts:
        words_of_text = WORD.findall(text.lower())
        words.extend(map(vocabulary.__getitem__, words_of_text))
        words.extend([0] * (WORDS - len(words_of_text)))
        lengths.append(max(WORDS, len(words_of_text)))
    runs, distinct, width = np.frombuffer(words, np.int64), len(vocabulary) + 1, 1
    while width < WORDS:  # number the runs of 2 words, then of 4: the products stay far below 2**63
        runs, distinct = _number(runs[:-width] * distinct + runs[width:])
        width *= 2
    owners = np.repeat(np.arange(len(texts)), lengths)
    inside = owners[: len(runs)] == owners[WORDS - 1 :]
    return runs[inside], owners[: len(runs)][inside], distinct


def shingle(texts: Sequence[str]) -> Shingles:
    """Shingles of ``texts``. Case and punctuation do not count; a text of fewer than four words is padded to one
    shingle."""
    if not len(texts):
        return Shingles(np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), 0)
    runs, owners, distinct = _runs(texts)
    entries = np.sort(owners * distinct + runs)
    entries = entries[np.diff(entries, prepend=-1) > 0]
    owners, columns = np.divmod(entries, distinct)
    sizes = np.bincount(owners, minlength=len(texts))
    shared = np.bincount(columns, minlength=distinct) > 1
    owners, columns = owners[shared[columns]], (np.cumsum(shared) - 1)[columns[shared[columns]]]
    return Shingles(np.searchsorted(owners, np.arange(len(texts) + 1)), columns, sizes, int(shared.sum()))


class Postings:
    """The inverted index: texts that hold shingle c are ``holders[first[c]:first[c] + frequency[c]]``."""

    def __init__(self, holders: np.ndarray, columns: np.ndarray, texts: int, width: int):
        """``holders`` and ``columns`` [entries] are sorted by column; holders are below ``texts``, columns below
        ``width``."""
        self.holders, self.columns, self.texts, self.width = holders, columns, texts, width
        self.frequency = np.bincount(columns, minlength=width)
        self.first = np.cumsum(self.frequency) - self.frequency

    @classmethod
    def of(cls, shingles: Shingles) -> "Postings":
        """Index all texts of ``shingles``."""
        by_column = np.argsort(shingles.columns, kind="stable")
        return cls(shingles.owners()[by_column], shingles.columns[by_column], len(shingles), shingles.width)

    def keep(self, entries: np.ndarray) -> "Postings":
        """The index with only the entries of a mask."""
        return Postings(self.holders[entries], self.columns[entries], self.texts, self.width)

    def shared(self, queries: Shingles) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Blocks of pairs that share a shingle ([p] query, [p] text, [p] number of shared ones), sorted by query, then
        by text."""
        matches = np.concatenate([[0], np.cumsum(self.frequency[queries.columns])])[queries.starts]
        start = 0
        while start < len(queries):
            stop = max(start + 1, int(np.searchsorted(matches, matches[start] + MATCHES_AT_ONCE, side="right")) - 1)
            block = queries.take(np.arange(start, stop))
            lengths = self.frequency[block.columns]
            cells = (
                np.repeat(block.owners(), lengths) * self.texts
                + self.holders[_ranges(self.first[block.columns], lengths)]
            )
            cells.sort()
            ends = np.flatnonzero(np.diff(cells, append=-1))
            rows, texts = np.divmod(cells[ends], max(1, self.texts))
            yield start + rows, texts, np.diff(ends, prepend=-1)
            start = stop


def held_by_other(texts: Shingles, others: Shingles, threshold: float) -> np.ndarray:
    """Check for each of ``texts`` [n] whether more than ``threshold`` of it in any one of ``others``? Both must come
    from one call of `shingle`."""
    held = np.zeros(len(texts), bool)
    for rows, _, shared in Postings.of(others).shared(texts):
        held[rows[shared > threshold * texts.sizes[rows]]] = True
    return held


def repeats(texts: Shingles, threshold: float) -> np.ndarray:
    """Choose which texts [n] to drop so that no kept one has more than ``threshold`` of its shingles in any one longer
    kept text.

    From the longest to the shortest (ties in the order given), each text that is still there drops all shorter ones
    that it holds. Blocks begin small and what is done leaves the index, so that thousands of copies of one text cost
    little more than one."""
    order = np.argsort(-texts.sizes, kind="stable")
    texts, dropped = texts.take(order), np.zeros(len(order), bool)
    postings, indexed = Postings.of(texts), len(order)
    start, step = 0, FIRST_ROWS
    while start < len(order):
        block = start + np.flatnonzero(~dropped[start : start + step])
        for rows, held, shared in postings.shared(texts.take(block)):
            rows = block[rows]
            above = (shared > threshold * texts.sizes[held]) & (held > rows)
            for holder, row in zip(rows[above], held[above], strict=True):
                if not dropped[holder]:
                    dropped[row] = True
        start, step = start + step, min(2 * step, MOST_ROWS)
        open_ = ~dropped & (np.arange(len(order)) >= start)
        if open_.sum() < 0.8 * indexed:
            postings, indexed = postings.keep(open_[postings.holders]), open_.sum()
    return dropped[np.argsort(order)]
