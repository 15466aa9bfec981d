"""Out-of-vocabulary features: words that good text of the language has not, and whether endings follow each other as
they should."""

import numpy as np

from data_prep.quality.features.arrays import columns, share, tally
from data_prep.quality.features.char_index import CharIndex
from data_prep.quality.features.vocabulary import Vocabulary, beginnings, keys
from data_prep.text.characters import UPPER

MEANINGS = {
    "unknown_words": (
        "share of the words that good text has not (out of vocabulary); of words without a digit, here and below"
    ),
    "unknown_small_words": "the same among words that do not begin with a capital",
    "unknown_short_words": "the same among words of at most 4 characters",
    "unknown_middle_words": "the same among words of 5 to 8 characters",
    "unknown_long_words": "the same among words of 9 characters or more",
    "unknown_pairs": "share of the neighbours whose endings do not follow each other in good text",
    "unknown_pairs_of_known": "the same among neighbours that are both known words",
    "unknown_beginnings": "share of the words whose first 5 letters good text has not",
    "unknown_endings": "share of the words whose last 3 letters good text has not",
    "inflected_unknown": "share of the words that are unknown, but not their beginning and their ending",
    "unknown_all": "share of the words of which word, beginning and ending are unknown",
    "unknown_after_unknown": "share of the words that are unknown after an unknown one",
    "words_very_frequent": "share of the words that are among the 100 most frequent",
    "words_frequent": "share of the words that are among the 1,000 most frequent, but not the 100",
    "words_common": "share of the words that are among the 10,000 most frequent, but not the 1,000",
    "words_rare": "share of the words that are known, but not among the 10,000 most frequent",
    "lines_unknown": "share of the lines in which more than half of the words are unknown",
}


def measure(chars: CharIndex, vocabulary: Vocabulary) -> np.ndarray:
    """float32 [n, k]: the features of MEANINGS, in its order."""
    batch, words = chars.batch, chars.batch.words
    word_keys, plain, length = keys(chars), chars.in_words["digits"] == 0, words.lengths
    band = np.where(plain, vocabulary.look_up(word_keys.words), 0)
    unknown = plain & (band == 0)
    # What is known as a word is known by its beginning and ending.
    strange = np.flatnonzero(unknown)
    no_beginning, no_ending = np.zeros(len(words), bool), np.zeros(len(words), bool)
    no_beginning[strange] = vocabulary.look_up(beginnings(chars, strange)) == 0
    no_ending[strange] = vocabulary.look_up(word_keys.endings[strange]) == 0
    no_pair = word_keys.paired & (vocabulary.look_up(word_keys.pairs) == 0)
    small = (batch.flags[words.starts] & UPPER) == 0
    after, both = np.zeros(len(words), bool), np.zeros(len(words), bool)
    after[1:] = unknown[1:] & unknown[:-1] & word_keys.paired[1:]
    both[1:] = (band[1:] > 0) & (band[:-1] > 0) & word_keys.paired[1:]

    among = (plain, plain & small, plain & (length <= 4), plain & (length > 4) & (length < 9), plain & (length >= 9))
    whole = tally(words, [*among, word_keys.paired, both])
    parts = tally(words, [*(unknown & some for some in among), no_pair, no_pair & both])
    rest = [
        no_beginning,
        no_ending,
        unknown & ~no_beginning & ~no_ending,
        unknown & no_beginning & no_ending,
        after,
        *(band == number for number in (4, 3, 2, 1)),
    ]
    relative = np.where(whole > 0, parts / np.maximum(whole, 1), 0)
    return columns([relative, share(tally(words, rest), whole[:, 0]), _lines(chars, unknown, plain)])


def _lines(chars: CharIndex, unknown: np.ndarray, plain: np.ndarray) -> np.ndarray:
    batch, lines, words = chars.batch, chars.batch.lines, chars.batch.words
    bounds = np.searchsorted(words.starts, np.append(lines.starts, len(batch.codes)))

    def per_line(mask: np.ndarray) -> np.ndarray:
        return np.diff(np.concatenate([[0], np.cumsum(mask)])[bounds])

    total = per_line(plain)
    return share(lines.total(per_line(unknown) * 2 > total), lines.total(total > 0))
