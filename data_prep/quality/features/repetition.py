"""Features of repetition, mostly within windows, so that they do not grow with the length of the text."""

import numpy as np

from data_prep.quality.features.arrays import after_same, columns, share
from data_prep.quality.features.char_index import CharIndex
from data_prep.text.batch import Spans
from data_prep.text.hashing import runs

MEANINGS = {
    "window_128_repeated": "share of the words that came before in their window of 128 words",
    "window_128_top": "share of the most frequent word of such a window, mean",
    "fives_repeated": (
        "share of the runs of five words that came before in the text, of one in four, chosen by their hashes"
    ),
    "fives_top": "share of the most frequent of these runs",
    "words_twice_in_a_row": "share of the words that equal the one before",
    "words_alternating": "share of the words that equal the one before the one before",
    "lines_repeated": "share of the lines that came before",
    "characters_in_repeated_lines": "share of the characters in such lines",
    "lines_twice_in_a_row": "share of the lines that equal the one before",
}
_HALF, _SAMPLE = np.uint64(32), np.uint64(3)


def measure(chars: CharIndex) -> np.ndarray:
    """float32 [n, k]: the features of MEANINGS, in its order."""
    words, hashes = chars.batch.words, chars.batch.word_hashes
    return columns(
        [
            *_in_windows(words, hashes, 128, 1),
            *_in_windows(words, hashes, 0, 5),
            *(
                share(words.total(after_same(words.owners, hashes[by:] == hashes[:-by], by)), words.counts)
                for by in (1, 2)
            ),
            *_lines(chars),
        ]
    )


def _in_windows(words: Spans, hashes: np.ndarray, size: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Measure runs of words in windows of ``size`` words (a power of two; 0: the text, and a sample of its runs): share
    that came before [n], share of the most frequent one [n].

    The window stands in the upper half of a key and the hash in the lower, so one sort brings equals together and
    leaves the windows, and with them the texts, where they are."""
    keys = runs(hashes, length)
    inside = words.owners[: len(keys)] == words.owners[length - 1 :]
    if not size:
        inside &= (keys & _SAMPLE) == 0
    owners = words.owners[: len(keys)][inside]
    if not len(owners):
        return np.zeros(len(words.bounds) - 1), np.zeros(len(words.bounds) - 1)
    bounds = np.searchsorted(owners, np.arange(len(words.bounds)))
    place = np.arange(len(owners)) - bounds[owners]
    windows = np.cumsum((place & (size - 1) if size else place) == 0).astype(np.uint64)
    ordered = np.sort(windows << _HALF | keys[inside] >> _HALF)
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(np.append(first, len(ordered)))
    distinct = np.diff(np.searchsorted(first, bounds))
    new = np.flatnonzero(np.diff(ordered[first] >> _HALF, prepend=np.uint64(0)))  # the first key of each window
    top = np.bincount(owners[first[new]], np.maximum.reduceat(counts, new), len(bounds) - 1)
    totals = np.diff(bounds)
    return share(totals - distinct, totals), share(top, totals)


def _lines(chars: CharIndex) -> list[np.ndarray]:
    lines, sizes = chars.lines, chars.lines.lengths
    hashes = chars.batch.prefix.spans(lines.starts, lines.ends)
    order = np.lexsort((hashes, lines.owners))
    again = np.zeros(len(lines), bool)
    again[order] = after_same(lines.owners, hashes[order[1:]] == hashes[order[:-1]])
    row = after_same(lines.owners, hashes[1:] == hashes[:-1])
    return [
        share(lines.total(again), lines.counts),
        share(lines.total(np.where(again, sizes, 0)), lines.total(sizes)),
        share(lines.total(row), lines.counts),
    ]
