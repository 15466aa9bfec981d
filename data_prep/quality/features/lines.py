"""Features of lines: lengths, beginnings, ends, what stands in them."""

import numpy as np

from data_prep.quality.features.arrays import after_same, columns, histogram, largest, share, spread, tally
from data_prep.quality.features.char_index import CharIndex
from data_prep.text.batch import Spans
from data_prep.text.characters import DIGIT, LETTER, UPPER, WORD

BOUNDS = (10, 20, 40, 80, 160, 320, 640)
MEANINGS = {
    f"lines_to_{bound}": f"share of the lines of at most {bound} characters (and more than the bound before)"
    for bound in BOUNDS
} | {
    "lines_longer": f"share of the lines of more than {BOUNDS[-1]} characters",
    "lines_per_character": "lines a character",
    "lines_empty": "share of the lines that are empty",
    "line_length": "characters a line, mean, as a logarithm",
    "line_length_spread": "standard deviation of the characters a line, of their mean",
    "line_longest": "share of the characters in the longest line",
    "line_words": "words a line, mean, as a logarithm",
    "characters_in_short_lines": "share of the characters in lines of at most 40",
    "characters_in_terminal_lines": "share of the characters in lines that end with terminal punctuation",
    "lines_short_after_short": "share of the lines of at most 40 characters after one such",
    "lines_terminal": "share of the lines that end with terminal punctuation",
    "lines_end_comma": "share of the lines that end with a comma or semicolon",
    "lines_end_colon": "share of the lines that end with a colon",
    "lines_end_hyphen": "share of the lines that end with a hyphen",
    "lines_end_letter": "share of the lines that end with a letter",
    "lines_end_digit": "share of the lines that end with a digit",
    "lines_begin_upper": "share of the lines that begin with a capital",
    "lines_begin_lower": "share of the lines that begin with a small letter",
    "lines_begin_digit": "share of the lines that begin with a digit",
    "lines_begin_sign": "share of the lines that begin with a sign",
    "lines_one_word": "share of the lines with one word",
    "lines_without_letter": "share of the lines without a letter",
    "lines_digits": "share of the lines that have more digits than letters",
    "lines_capitals": "share of the lines that have more capitals than small letters",
    "lines_signs": "share of the lines in which a fifth of the characters or more are signs",
    "lines_separated": "share of the lines with a tab, a bar or three blanks in a row",
    "line_length_change": "difference of the lengths of neighbouring lines, of their sum, mean",
}
SHORT, SOFT_HYPHEN = 40, 0xAD


def measure(chars: CharIndex) -> np.ndarray:
    """float32 [n, k]: the features of MEANINGS, in its order; of lines that are not empty unless it says otherwise."""
    batch, lines, every = chars.batch, chars.lines, chars.batch.lines
    sizes, count = lines.lengths, lines.counts
    ink = lines.total(sizes)
    mean, deviation = spread(lines, sizes)
    words = _starts_within(lines, batch.words.starts)
    short = sizes <= SHORT
    terminal = chars.ends_sentence(lines.ends)
    change = after_same(lines.owners, np.ones(max(len(lines) - 1, 0), bool)).astype(np.float64)
    change[1:] *= np.abs(np.diff(sizes)) / (sizes[1:] + sizes[:-1])
    return columns(
        [
            share(histogram(lines.owners, np.searchsorted(BOUNDS, sizes), (len(batch), len(BOUNDS) + 1)), count),
            share(every.counts, batch.sizes),
            share(every.counts - count, every.counts),
            np.log1p(mean),
            share(deviation, mean),
            share(largest(lines, sizes), ink),
            np.log1p(share(lines.total(words), count)),
            share(lines.total(np.where(short, sizes, 0)), ink),
            share(lines.total(np.where(terminal, sizes, 0)), ink),
            share(
                tally(
                    lines,
                    [
                        after_same(lines.owners, short[1:] & short[:-1]),
                        terminal,
                        *_edges(chars),
                        words == 1,
                        *_made_of(chars),
                    ],
                ),
                count,
            ),
            share(lines.total(change), count),
        ]
    )


def _starts_within(lines: Spans, starts: np.ndarray) -> np.ndarray:
    """[k] int64: how many of ``starts`` (ascending) lie in each line."""
    return np.searchsorted(starts, lines.ends) - np.searchsorted(starts, lines.starts)


def _edges(chars: CharIndex) -> list[np.ndarray]:
    lines, codes, flags = chars.lines, chars.batch.codes, chars.batch.flags
    last, first, end = codes[lines.ends - 1], flags[lines.starts], flags[lines.ends - 1]
    return [
        (last == ord(",")) | (last == ord(";")),
        last == ord(":"),
        (last == ord("-")) | (last == SOFT_HYPHEN),
        (end & LETTER) != 0,
        (end & DIGIT) != 0,
        (first & UPPER) != 0,
        (first & (LETTER | UPPER)) == LETTER,
        (first & DIGIT) != 0,
        (first & WORD) == 0,
    ]


def _made_of(chars: CharIndex) -> list[np.ndarray]:
    codes, lines, inside = chars.batch.codes, chars.lines, chars.counts(chars.lines)
    signs = _starts_within(lines, chars.marks)
    blanks = np.flatnonzero(codes == ord(" "))
    three = blanks[2:][blanks[2:] == blanks[:-2] + 2]
    apart = np.sort(np.concatenate([three, chars.places("|"), np.flatnonzero(codes == ord("\t"))]))
    return [
        inside["letters"] == 0,
        inside["digits"] > inside["letters"],
        inside["capitals"] * 2 > inside["letters"],
        signs * 5 >= lines.lengths,
        _starts_within(lines, apart) > 0,
    ]
