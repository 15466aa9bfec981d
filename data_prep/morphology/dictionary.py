"""The words of a language by simplemma's dictionary, as hashes."""

from itertools import islice

import numpy as np

from conf.schema.language import LanguageConfig
from data_prep.text.batch import hash_words

AT_ONCE = 10_000
BITS = 24
"""Upper bits of a hash by which most words that are not there are told apart in one look."""


def has_dictionary(code: str) -> bool:
    """Check whether simplemma has a dictionary of the language with this ISO code."""
    from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

    return code in SUPPORTED_LANGUAGES


def word_hashes_of(profile: LanguageConfig) -> np.ndarray:
    """[words] uint64, ascending: `hash_words` of every form that simplemma knows. Takes seconds; 8 bytes a form
    stay."""
    from simplemma.strategies.dictionaries.dictionary_factory import DefaultDictionaryFactory

    words = iter(DefaultDictionaryFactory(cache_max_size=1).get_dictionary(profile.code))
    hashes = np.concatenate(
        [hash_words(some, profile.casing) for some in iter(lambda: list(islice(words, AT_ONCE)), [])]
    )
    hashes.sort()  # np.unique, which hashes, takes 80 times as long
    return hashes[np.append(True, hashes[1:] != hashes[:-1])]


class HashSet:
    """A set of word hashes, quick to ask."""

    def __init__(self, hashes: np.ndarray):
        """``hashes`` [n] (uint64): ascending, each once."""
        self.hashes = hashes
        self.first = np.zeros(1 << BITS, bool)
        self.first[self.hashes >> np.uint64(64 - BITS)] = True

    def has(self, asked: np.ndarray) -> np.ndarray:
        """[k] bool: whether ``asked`` [k] are in the set."""
        is_member = self.first[asked >> np.uint64(64 - BITS)]
        maybe = np.flatnonzero(is_member)
        places = np.searchsorted(self.hashes, asked[maybe])
        places[places == len(self.hashes)] = 0
        is_member[maybe] = self.hashes[places] == asked[maybe]
        return is_member
