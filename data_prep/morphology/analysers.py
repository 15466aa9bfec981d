"""Lemma and suffix class of a word, by dictionary or by rules; each a function of the word alone."""

import logging
from typing import Protocol

from common.errors import UserError
from conf.schema.language import LanguageConfig
from data_prep.morphology.dictionary import has_dictionary
from data_prep.morphology.suffixes import ending, fold

Analysis = tuple[str, str]
"""Lemma, empty where the word is not known; class of its suffixes, empty where it has none."""
UNKNOWN: Analysis = "", ""


class Analyser(Protocol):
    """Analyses words in lower case."""

    def word(self, word: str) -> Analysis:
        """Analyse a word."""

    def suffix(self, suffix: str) -> str:
        """Return the class of what is written after an apostrophe (Ankara'nın)."""


class Simplemma:
    """Lemmas of simplemma's dictionary and rules; the suffix is what the form has beyond its lemma, folded.

    Raises UserError for a language without a dictionary."""

    def __init__(self, profile: LanguageConfig):
        from simplemma import Lemmatizer

        if not has_dictionary(profile.code):
            raise UserError(
                f"corpus.languages.{profile.code}.morphology.analyser=simplemma: it has no dictionary of"
                f" {profile.name}; give none"
            )
        self.language, self.rules, self.lemmatizer = profile.code, profile.morphology, Lemmatizer()

    def word(self, word: str) -> Analysis:
        """Analyse a word."""
        from simplemma import is_known

        lemma = self.lemmatizer.lemmatize(word, lang=self.language)
        if lemma == word and not is_known(word, lang=self.language):
            return UNKNOWN
        lemma = lemma.lower()
        rest = ending(word, lemma, self.rules.harmony)
        return lemma, "?" if rest is None else self.suffix(rest)

    def suffix(self, suffix: str) -> str:
        """Return the class of a suffix."""
        return fold(suffix, self.rules.harmony, self.rules.buffers, self.rules.vowels)


class Zeyrek:
    """Morphemes of zeyrek (a port of Zemberek's analyser, MIT licence), the class being their names.

    It gives all analyses of a word and does not choose: the one with the fewest morphemes stands, a proper noun last of
    these, then the longest lemma, then the first in the alphabet. Raises UserError where it is not installed and for
    other languages than Turkish."""

    def __init__(self, profile: LanguageConfig):
        if profile.code != "tr":
            raise UserError(
                f"corpus.languages.{profile.code}.morphology.analyser=zeyrek knows Turkish alone; give simplemma or"
                " none"
            )
        try:
            import zeyrek
        except ImportError as error:
            raise UserError(
                "morphology.analyser=zeyrek needs the package zeyrek: pip install zeyrek, or give simplemma"
            ) from error
        logging.getLogger("zeyrek").setLevel(logging.ERROR)  # it warns of every analysis that it finds
        self.rules, self.analyser = profile.morphology, zeyrek.MorphAnalyzer()

    def word(self, word: str) -> Analysis:
        """Analyse a word."""
        analyses = [
            self._read(analysis) for analysis in self.analyser._parse(word)
        ]  # `analyze` would ask nltk for a download
        if not analyses:
            return UNKNOWN
        _, _, _, lemma, suffixes = min(analyses)
        return lemma, suffixes

    def suffix(self, suffix: str) -> str:
        """Return the class of a suffix."""
        return fold(suffix, self.rules.harmony, self.rules.buffers, self.rules.vowels)

    def _read(self, analysis: object) -> tuple[int, bool, int, str, str]:
        item = analysis.dict_item
        lemma = item.lemma.replace("I", "ı").replace("İ", "i").lower()
        if item.primary_pos.value == "Verb" and lemma.endswith(("mak", "mek")):
            lemma = lemma[:-3]
        names = [morpheme.id_ for morpheme, surface in analysis.morphemes[1:] if surface]  # the first is the stem
        return len(names), item.lemma[:1].isupper(), -len(lemma), lemma, "+".join(names)


def make_analyser(profile: LanguageConfig) -> Analyser:
    """The analyser of a profile whose `morphology.analyser` is not none."""
    return {"simplemma": Simplemma, "zeyrek": Zeyrek}[profile.morphology.analyser](profile)
