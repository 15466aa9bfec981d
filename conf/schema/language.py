"""The profile of a language: one YAML under conf/data/language."""

from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.morphology import MorphologyRules
from conf.schema.pii import PiiRules
from conf.schema.ranges import Range
from conf.schema.rules import (
    C4Rules,
    FineWebRules,
    GluedWordsRules,
    GopherQualityRules,
    GopherRepetitionRules,
    IdentificationRules,
    LineRules,
    PageRules,
)


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
    fineweb: FineWebRules = field(default_factory=FineWebRules)
    """Rule fineweb."""
    gopher_quality: GopherQualityRules = field(default_factory=GopherQualityRules)
    """Rule gopher_quality."""
    gopher_repetition: GopherRepetitionRules = field(default_factory=GopherRepetitionRules)
    """Rule gopher_repetition."""
    glued_words: GluedWordsRules = field(default_factory=GluedWordsRules)
    """Rule glued_words."""
    c4: C4Rules = field(default_factory=C4Rules)
    """Rule c4."""
    identification: IdentificationRules = field(default_factory=IdentificationRules)
    """Rule identification."""
    morphology: MorphologyRules = field(default_factory=MorphologyRules)
    """Rule morphology."""
    pii: PiiRules = field(default_factory=PiiRules)
    """Personal data."""
