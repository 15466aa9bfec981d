"""Morphological analysis of a language, for the filter rule morphology."""

from dataclasses import dataclass, field

from conf.schema.choice import choice


@dataclass
class MorphologyConfig:
    """How words of a language are analysed."""

    analyser: str = choice("none", "simplemma", "zeyrek")
    """none: the rule morphology lets everything pass; simplemma: lemmas by dictionary, a suffix is what a form has
    beyond its lemma; zeyrek: morphemes of Turkish, 100 times slower for each word that is new."""
    harmony: dict[str, str] = field(default_factory=dict)
    """Letters of suffixes that stand for one another (vowel harmony, assimilation): each to the one that stands for
    all."""
    buffers: str = ""
    """Consonants between a stem's vowel and a suffix's, which are no part of the suffix."""
    vowels: str = ""
    """The vowels, for `buffers`."""
