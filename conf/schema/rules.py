"""Thresholds of the filter rules; they belong to a language (conf/data/language)."""

from dataclasses import dataclass, field

from conf.schema.ranges import Count, Magnitude, Positive, Share


@dataclass
class FineWebRules:
    """FineWeb's quality rules (Penedo et al. 2024, arXiv 2406.17557, section 3.6)."""

    min_terminal_lines: Share = 0.12
    """Reject where a smaller share of the lines ends with a sign of `terminal_punctuation`."""
    max_short_lines: Share = 0.67
    """Reject where a larger share of the lines has at most `short_line` characters."""
    short_line: Count = 30
    """Characters of a line that counts as short."""
    max_duplicate_characters: Share = 0.01
    """Reject where a larger share of the characters lies in lines that came before."""
    max_newlines_per_word: Magnitude = 0.3
    """Reject lists: more newlines a word than this."""


@dataclass
class GopherQualityRules:
    """Gopher's quality rules (Rae et al. 2021, arXiv 2112.11446, appendix A.1)."""

    signs: str = ""
    """Characters that make no word by themselves; empty: all but letters and digits."""
    min_words: Count = 50
    """Fewer words are rejected."""
    max_words: Count = 100_000
    """More words are rejected."""
    min_mean_word: Magnitude = 3
    """Mean characters a word, at least."""
    max_mean_word: Magnitude = 10
    """Mean characters a word, at most."""
    max_symbols_per_word: Magnitude = 0.1
    """Signs # or ellipses a word, at most."""
    max_bullet_lines: Share = 0.9
    """Share of lines that begin with a bullet, at most."""
    max_ellipsis_lines: Share = 0.3
    """Share of lines that end with an ellipsis, at most."""
    min_alphabetic_words: Share = 0.8
    """Share of words with a letter, at least."""
    min_stop_words: Count = 2
    """Different stop words of the language, at least."""


@dataclass
class GopherRepetitionRules:
    """Gopher's repetition rules (Rae et al. 2021, table A1). A threshold of 1 switches a measure off."""

    max_duplicate_lines: Share = 0.3
    """Share of lines that came before."""
    max_duplicate_paragraphs: Share = 0.3
    """Share of paragraphs that came before."""
    max_duplicate_line_characters: Share = 0.2
    """Share of characters in such lines."""
    max_duplicate_paragraph_characters: Share = 0.2
    """Share of characters in such paragraphs."""
    max_top_ngrams: list[Share] = field(default_factory=lambda: [0.2, 0.18, 0.16])
    """Share of characters in the most frequent run of 2, 3, 4 words."""
    max_duplicate_ngrams: list[Share] = field(default_factory=lambda: [0.15, 0.14, 0.13, 0.12, 0.11, 0.10])
    """Share of characters in repeated runs of 5, 6, ... 10 words."""


@dataclass
class GluedWordsRules:
    """Rule glued_words: text that lost spaces. The measures are in docs/filters.md."""

    max_share: Share = 1.0
    """Share of glued words among the words of letters, at most; 1: the rule lets everything pass and needs no
    dictionary."""
    longest: Positive = 30
    """A word of more letters counts as glued."""
    min_half: Positive = 4
    """Letters of a word of the dictionary that can be half of a glued one; shorter halves must be stop words."""
    no_halves: list[str] = field(default_factory=list)
    """Words (lower case) that are none: the dictionary has them, and in text they are beginnings or endings of longer
    words."""
    min_words: Count = 50
    """Documents with fewer words of letters are not judged."""
    min_found: Count = 3
    """Documents with fewer glued words pass."""


@dataclass
class C4Rules:
    """C4's rules (Raffel et al. 2020, arXiv 1910.10683, section 2.2), on documents; its rules on lines are the cleaning
    step c4_lines."""

    min_sentences: Count = 5
    """Fewer sentences are rejected."""
    reject: list[str] = field(default_factory=lambda: ["lorem ipsum", "{"])
    """Documents that hold one of these are rejected."""


@dataclass
class LineRules:
    """Which lines the cleaning steps remove."""

    boilerplate: list[str] = field(default_factory=list)
    """c4_lines and boilerplate: lines that hold one of these phrases (lower case) go."""
    boilerplate_most: Count = 200
    """boilerplate: longer lines stay, as they are prose (c4_lines knows no such limit)."""
    citations: list[str] = field(default_factory=list)
    """c4_lines: marks in square brackets that go, beside numbers: [3], [citation needed]."""
    terminal_only: bool = True
    """c4_lines: lines without terminal punctuation go."""
    min_words: Count = 3
    """c4_lines: lines with fewer words go."""
    max_word: Positive = 1000
    """c4_lines: lines with a longer word go."""
    repeated_min_characters: Count = 20
    """repeated_lines: a line of at least so many characters that came before in the document goes."""


@dataclass
class PageRules:
    """Pages of scanned theses: which are front matter, lists, noise of the scanner."""

    min_words: Count = 40
    """Pages with fewer words go."""
    min_alphabetic_words: Share = 0.6
    """Share of words with a letter, at least."""
    max_short_lines: Share = 0.8
    """Share of lines with at most `fineweb.short_line` characters, at most."""
    max_listed_lines: Share = 0.3
    """Share of lines that end with a number after dots or a wide gap (tables of contents), at most."""
    headings: list[str] = field(default_factory=list)
    """Pages that begin with one of these headings (lower case: table of contents, bibliography) go."""


@dataclass
class IdentificationRules:
    """Language identification."""

    labels: list[str] = field(default_factory=list)
    """What models call the language: ISO 639-1 (lid.176), ISO 639-3 and script (GlotLID); their probabilities are
    added."""
    min_probability: Share = 0.65
    """Reject where the probability of the source's language is smaller."""
    characters: Positive = 1000
    """Look at about so many characters, from the middle of the text ..."""
    glance: Count = 300
    """... but first at so many, and leave it at that where they are sure."""
    sure: Share = 0.9
    """Probability of the source's language that counts as sure."""
