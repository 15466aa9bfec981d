"""Features of words: length, casing, digits, stop words, diacritics."""

import numpy as np

from data_prep.quality.features.arrays import after_same, columns, histogram, largest, share, spread, tally
from data_prep.quality.features.char_index import CharIndex
from data_prep.text.batch import hash_words
from data_prep.text.characters import LETTER, UPPER

LONGEST = 16
MEANINGS = {f"words_of_{size}": f"share of the words with {size} characters" for size in range(1, LONGEST)} | {
    f"words_of_{LONGEST}": f"share of the words with {LONGEST} characters or more",
    "word_length": "characters a word, mean",
    "word_length_spread": "characters a word, standard deviation",
    "words_per_character": "words a character",
    "signs_per_word": "signs a word",
    "words_capitalised": "share of the words that begin with the only capital of theirs",
    "words_upper": "share of the words of two characters or more that are all capitals",
    "words_mixed_case": "share of the words with a capital inside that are not all capitals",
    "words_without_letter": "share of the words without a letter",
    "words_digits": "share of the words of digits alone",
    "words_letters_and_digits": "share of the words with letters and digits",
    "words_single_letter": "share of the words that are one letter",
    "words_diacritic": "share of the words with a diacritic of the language",
    "diacritics_per_word": "diacritics of the language a word",
    "stop_words": "share of the words that are stop words",
    "stop_words_adjacent": "share of the words that are stop words after a stop word",
    "stop_word_kinds": "different stop words in the first 200 words, of the language's list",
    "lower_after_lower": "share of the words in lower case after one in lower case, nothing but a blank between",
    "longest_word": "characters of the longest word, as a logarithm",
}
FIRST = 200
_PLACE = np.uint64(48)


def measure(chars: CharIndex) -> np.ndarray:
    """float32 [n, k]: the features of MEANINGS, in its order."""
    batch, words = chars.batch, chars.batch.words
    sizes = words.lengths
    return columns(
        [
            share(histogram(words.owners, np.minimum(sizes, LONGEST) - 1, (len(batch), LONGEST)), words.counts),
            *spread(words, sizes),
            share(words.counts, batch.sizes),
            share(batch.tokens.counts - words.counts, words.counts),
            *_made_of(chars),
            *_stop_words(chars),
            _small_letters(chars),
            np.log1p(largest(words, sizes)),
        ]
    )


def _made_of(chars: CharIndex) -> list[np.ndarray]:
    words, inside = chars.batch.words, chars.in_words
    capitals, digits, letters, diacritics = (
        inside["capitals"],
        inside["digits"],
        inside["letters"],
        inside["diacritics"],
    )
    first = (chars.batch.flags[words.starts] & UPPER) != 0
    all_capitals = (capitals == letters) & (capitals > 1)
    tests = [
        first & (capitals == 1) & (letters > 1),
        all_capitals,
        (capitals > first) & ~all_capitals,
        letters == 0,
        digits == words.lengths,
        (letters > 0) & (digits > 0),
        (letters == 1) & (words.lengths == 1),
        diacritics > 0,
    ]
    return [share(tally(words, tests), words.counts), share(words.total(diacritics), words.counts)]


def _stop_words(chars: CharIndex) -> list[np.ndarray]:
    words, hashes = chars.batch.words, chars.batch.word_hashes
    stop_hashes = np.unique(hash_words(chars.profile.stop_words, chars.batch.casing))
    if not len(stop_hashes):
        return [np.zeros((len(chars.batch), 3))]
    table = np.zeros(1 << 16, np.int64)  # of two with one place in it the later stays; the same one always
    table[stop_hashes >> _PLACE] = np.arange(len(stop_hashes))
    numbers = table[hashes >> _PLACE]
    is_stop = stop_hashes[numbers] == hashes
    early = is_stop & (np.arange(len(words)) - words.bounds[words.owners] < FIRST)
    kinds = histogram(words.owners[early], numbers[early], (len(chars.batch), len(stop_hashes))) > 0
    adjacent = after_same(words.owners, is_stop[1:] & is_stop[:-1])
    return [share(tally(words, [is_stop, adjacent]), words.counts), kinds.sum(1) / len(stop_hashes)]


def _small_letters(chars: CharIndex) -> np.ndarray:
    words = chars.batch.words
    small = (chars.batch.flags[words.starts] & (UPPER | LETTER)) == LETTER
    follows = after_same(words.owners, small[1:] & small[:-1] & (words.starts[1:] == words.ends[:-1] + 1))
    return share(words.total(follows), words.counts)
