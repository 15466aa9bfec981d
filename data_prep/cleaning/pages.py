"""The step pages: of scanned theses, whose pages are separated by form feeds, those of prose stay."""

import re

from conf.schema.language import LanguageConfig
from data_prep.text.characters import lower

_LISTED = re.compile(r"((…|\.\s?\.\s?\.)[\s.…]*|\s{3,})(\d{1,4}|[ivxlc]{1,6})$", re.IGNORECASE)
"""The end of a line of a table of contents: dots or a wide gap, then the number of a page."""
TAIL = 60
"""It is looked for in so many characters."""
HEADING_LINES = 3
"""A heading is looked for in so many lines, since the number of the page or a running title may stand above it."""
_NUMBERING = re.compile(r"^(\d+[.)]?|[ivxl]+[.)])\s+|[\s.:]+$")
NUMBERING = 10
"""What may stand around a heading: its number, a colon; about so many characters."""


class Pages:
    """Removes pages of front matter, lists, and what the scanner made of figures. A text without form feeds is one
    page, and stays."""

    def __init__(self, profile: LanguageConfig):
        self.rules, self.short, self.casing = profile.pages, profile.pages.short_line, profile.casing
        self.headings = {lower(heading, profile.casing) for heading in profile.pages.headings}
        self.longest = max(map(len, self.headings), default=0) + NUMBERING

    def __call__(self, text: str) -> str:
        """The pages that stay, an empty line between them."""
        if "\f" not in text:
            return text
        return "\n\n".join(page for page in map(str.strip, text.split("\f")) if self.refusal(page) is None)

    def refusal(self, page: str) -> str | None:
        """Return why a page goes: heading, list, few_words, noise, short_lines; None for a page that stays."""
        rules, lines = self.rules, [line.strip() for line in page.split("\n") if not line.isspace() and line]
        if any(self._is_heading(line) for line in lines[:HEADING_LINES]):
            return "heading"
        if sum(bool(_LISTED.search(line[-TAIL:])) for line in lines) > rules.max_listed_lines * len(lines):
            return "list"
        words = page.split()
        if len(words) < rules.min_words:
            return "few_words"
        if sum(any(map(str.isalpha, word)) for word in words) < rules.min_alphabetic_words * len(words):
            return "noise"
        return (
            "short_lines"
            if sum(len(line) <= self.short for line in lines) > rules.max_short_lines * len(lines)
            else None
        )

    def _is_heading(self, line: str) -> bool:
        return len(line) <= self.longest and _NUMBERING.sub("", lower(line, self.casing)) in self.headings
