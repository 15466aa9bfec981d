"""The profile of a language: one YAML under conf/data/language."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from conf.schema.cleaning import LineRules, PageRules
from conf.schema.morphology import MorphologyConfig
from conf.schema.pii import PiiRules
from conf.schema.ranges import Range


@dataclass
class LanguageConfig:
    """What the rules must know of a language. English constants hit other languages hard: nothing here has a hidden
    English default."""

    code: str = "??"
    """ISO 639-1 code; the file's name."""
    name: str = ""
    """Its name in English."""
    casing: dict[str, str] = field(default_factory=dict)
    """Upper-case letters whose lower case is not Unicode's."""
    stop_words: list[str] = field(default_factory=list)
    """Words that running text cannot do without, in lower case."""
    terminal_punctuation: str = ".!?…"
    """Signs that end a sentence."""
    closing: str = "\"'”’»)]"
    """Signs that may follow them at the end of a line."""
    abbreviations: list[str] = field(default_factory=list)
    """Abbreviations (lower case, without the full stop) after which no sentence ends."""
    alphabet: str = ""
    """Letters of the language in lower case, its own ones included."""
    diacritics: str = ""
    """Letters that the basic Latin alphabet has not, in lower case."""
    shingle: Annotated[int, Range(1, 1_000)] = 25
    """Near-duplicates: letters and digits of a shingle, about four words (`corpus.duplicates`)."""
    lines: LineRules = field(default_factory=LineRules)
    """Cleaning of lines."""
    pages: PageRules = field(default_factory=PageRules)
    """Cleaning of pages."""
    rules: dict[str, Any] = field(default_factory=dict)
    """Settings of filter rules by the names of the rules; their keys are in the rules' files (data_prep/filters)."""
    morphology: MorphologyConfig = field(default_factory=MorphologyConfig)
    """Morphological analysis."""
    pii: PiiRules = field(default_factory=PiiRules)
    """Personal data."""
