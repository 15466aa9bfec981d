"""Settings of the cleaning steps that belong to a language (conf/data/language). Those of the filter rules are in their
files (data_prep/filters)."""

from dataclasses import dataclass, field

from conf.schema.ranges import Count, Positive, Share


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
    short_line: Count = 30
    """Characters of a line that counts as short."""
    max_short_lines: Share = 0.8
    """Share of short lines, at most."""
    max_listed_lines: Share = 0.3
    """Share of lines that end with a number after dots or a wide gap (tables of contents), at most."""
    headings: list[str] = field(default_factory=list)
    """Pages that begin with one of these headings (lower case: table of contents, bibliography) go."""
