"""Features of sentences: how long they are, how they begin and end."""

import numpy as np

from data_prep.quality.features.arrays import columns, histogram, share, spread
from data_prep.quality.features.char_index import CharIndex, members
from data_prep.text.batch import Spans
from data_prep.text.characters import DIGIT, LETTER, SPACE, UPPER, look_up

BOUNDS = (3, 8, 16, 32, 64)
MEANINGS = {
    f"sentences_to_{bound}": f"share of the sentences of at most {bound} words (and more than the bound before)"
    for bound in BOUNDS
} | {
    "sentences_longer": f"share of the sentences of more than {BOUNDS[-1]} words",
    "sentences_per_word": "sentences a word",
    "sentence_words": "words a sentence, mean, as a logarithm",
    "sentence_words_spread": "standard deviation of the words a sentence, of their mean",
    "sentences_begin_upper": "share of the sentences that begin with a capital",
    "sentences_question": "share of the sentences that end with a question mark",
    "sentences_exclamation": "share of the sentences that end with an exclamation mark",
    "sentence_commas": "commas a sentence",
    "sentence_newlines": "newlines within a sentence, mean",
    "text_begins_upper": "whether the text begins with a capital, a digit or a sign",
    "words_after_last_sentence": "share of the words after the last end of a sentence",
    "in_parentheses": "share of the words in parentheses",
}


def sentences(chars: CharIndex) -> Spans:
    """Sentences: up to a terminal sign that does not follow a digit and precedes white space, or up to the end of the
    text.

    A cheap rule, made to be the same for all texts rather than right: abbreviations end sentences here."""
    batch, profile = chars.batch, chars.profile
    codes, flags = batch.codes, batch.flags
    places = chars.marks[look_up(members(profile.terminal_punctuation, ()), chars.mark_codes)]
    after = np.minimum(places + 1, len(codes) - 1)
    after = np.where(look_up(members(profile.closing, ()), codes[after]), np.minimum(after + 1, len(codes) - 1), after)
    places = places[((flags[after] & SPACE) != 0) & ((flags[np.maximum(places - 1, 0)] & DIGIT) == 0)]
    last = batch.starts[1:] - 1
    ends = np.union1d(places + 1, last)
    starts = np.concatenate([[0], ends[:-1]])
    starts[np.searchsorted(ends, last[:-1]) + 1] += 1  # the newline after a text is not its own
    return batch.spans(starts, ends)


def measure(chars: CharIndex) -> np.ndarray:
    """float32 [n, k]: the features of MEANINGS, in its order; of sentences that hold a word."""
    batch, words = chars.batch, chars.batch.words
    spans = sentences(chars)
    spans = spans.take(np.searchsorted(words.starts, spans.ends) > np.searchsorted(words.starts, spans.starts))
    first = np.searchsorted(words.starts, spans.starts)
    sizes = np.searchsorted(words.starts, spans.ends) - first
    newlines = batch.lines.ends
    broken = np.searchsorted(newlines, spans.ends) - np.searchsorted(newlines, words.starts[first])
    last, opening = batch.codes[spans.ends - 1], batch.flags[batch.starts[:-1]]
    count = spans.counts
    mean, deviation = spread(spans, sizes)
    return columns(
        [
            share(histogram(spans.owners, np.searchsorted(BOUNDS, sizes), (len(batch), len(BOUNDS) + 1)), count),
            share(count, words.counts),
            np.log1p(mean),
            share(deviation, mean),
            share(spans.total((batch.flags[words.starts[first]] & UPPER) != 0), count),
            share(spans.total(last == ord("?")), count),
            share(spans.total(last == ord("!")), count),
            share(chars.per_document(chars.places(",")), count),
            share(spans.total(broken), count),
            (opening & (UPPER | LETTER)) != LETTER,
            share(spans.total(np.where(chars.ends_sentence(spans.ends), 0, sizes)), words.counts),
            _in_parentheses(chars),
        ]
    )


def _in_parentheses(chars: CharIndex) -> np.ndarray:
    """[n]: share of the words that have more parentheses opened than closed before them in their text."""
    words = chars.batch.words
    steps, before = np.zeros(len(words) + 1, np.int32), np.zeros(len(chars.batch), np.int64)
    for sign, step in (("(", 1), (")", -1)):
        places = chars.places(sign)
        np.add.at(steps, np.searchsorted(words.starts, places), np.int32(step))
        before += step * np.searchsorted(places, chars.batch.starts[:-1])
    return share(words.total(np.cumsum(steps)[:-1] > before[words.owners]), words.counts)
