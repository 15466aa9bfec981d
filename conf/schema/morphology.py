"""The morphology filter (Mecellem, arXiv 2601.16018: suffix entropy and lemma diversity)."""

from dataclasses import dataclass

from conf.schema.choice import choice


@dataclass
class MorphologyRules:
    """Rule morphology."""

    analyser: str = choice("none", "simplemma", "zeyrek")
    """none: the rule lets everything pass; simplemma: fast, lemmas by dictionary; zeyrek: Turkish analyser, slower."""
    min_suffix_entropy: float = 0.75
    """Normalised entropy of the suffixes, at least (the paper's threshold; its formula is not public, ours is in docs/corpus.md)."""
    min_lemma_diversity: float = 0.5
    """Distinct lemmas for an analysed word, at least (the same)."""
    window: int = 0
    """Words at the beginning over which diversity is measured (0: all); it falls with length."""
