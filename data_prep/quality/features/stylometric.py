"""About 200 stylometric features of texts, all texts of a batch at once.

After Bielik v3 (arXiv 2505.02550), whose list is not public; its strongest, out-of-vocabulary words, lines, stop words
and diacritics, are among them. All are shares, means or logarithms, so that a text and a long part of it are alike."""

import numpy as np

from conf.schema.language import LanguageConfig
from data_prep.quality.features import characters, lines, oov_features, repetition, sentences, words
from data_prep.quality.features.arrays import columns
from data_prep.quality.features.char_index import CharIndex
from data_prep.quality.features.vocabulary import Vocabulary
from data_prep.text.batch import Batch

VERSION = 1
"""Raised by hand whenever the same text may have other features: models of another version are refused;
``tests/data_prep/versions`` holds it to that."""
THEMES = {"characters": characters, "words": words, "lines": lines, "sentences": sentences, "repetition": repetition}
MEANINGS: dict[str, str] = {
    name: meaning for theme in (*THEMES.values(), oov_features) for name, meaning in theme.MEANINGS.items()
}
"""Every feature and what it means, in the order of the columns."""
NAMES = tuple(MEANINGS)


def features(batch: Batch, profile: LanguageConfig, vocabulary: Vocabulary) -> np.ndarray:
    """float32 [n, f]: the features of MEANINGS of each text, in its order. An empty text has zeros almost
    everywhere."""
    if not len(batch):
        return np.empty((0, len(NAMES)), np.float32)
    chars = CharIndex(batch, profile)
    return columns([*(theme.measure(chars) for theme in THEMES.values()), oov_features.measure(chars, vocabulary)])
