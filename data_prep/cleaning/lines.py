"""Steps that remove lines: boilerplate, repetitions, and what C4 removes."""

import re

from conf.schema.language import LanguageConfig
from data_prep.text.characters import lower


class Boilerplate:
    """Removes lines that hold a phrase of `lines.boilerplate`, unless they are long enough to be prose."""

    def __init__(self, profile: LanguageConfig):
        self.most, self.phrases, self.casing = profile.lines.boilerplate_most, _phrases(profile), profile.casing

    def __call__(self, text: str) -> str:
        """The text without them."""
        lowered = lower(text, self.casing)
        phrases_in_text = [phrase for phrase in self.phrases if phrase in lowered]
        if not phrases_in_text:
            return text
        return "\n".join(
            line
            for line in text.split("\n")
            if len(line) > self.most or not _holds(lower(line, self.casing), phrases_in_text)
        )


class RepeatedLines:
    """Removes lines that came before in the same text, if they are long enough not to be meant so."""

    def __init__(self, profile: LanguageConfig):
        self.least = profile.lines.repeated_min_characters

    def __call__(self, text: str) -> str:
        """The text without them."""
        seen: set[str] = set()
        kept, lines = [], text.split("\n")
        for line in lines:
            key = line.strip()
            if len(key) >= self.least:
                if key in seen:
                    continue
                seen.add(key)
            kept.append(line)
        return text if len(kept) == len(lines) else "\n".join(kept)


class C4Lines:
    """C4's rules on lines (Raffel et al. 2020, arXiv 1910.10683, section 2.2): lines stay that end a sentence, have a
    few words, none of enormous length, and no phrase of `lines.boilerplate`; marks of citations go."""

    def __init__(self, profile: LanguageConfig):
        rules = profile.lines
        self.terminal_only, self.min_words, self.max_word = rules.terminal_only, rules.min_words, rules.max_word
        self.signs, self.closing = tuple(profile.terminal_punctuation), profile.closing
        self.phrases, self.casing = _phrases(profile), profile.casing
        self.citations = re.compile("|".join([r"\[\d*\]", *(re.escape(f"[{mark}]") for mark in rules.citations)]))

    def __call__(self, text: str) -> str:
        """The lines that stay, without white space at their ends."""
        kept = []
        for line in text.splitlines():
            words = line.split()
            if len(line) > self.max_word and any(len(word) > self.max_word for word in words):
                continue
            line = line.strip()
            if "[" in line:
                line = self.citations.sub("", line)
            if len(words) < self.min_words or (self.terminal_only and not self._ends(line)):
                continue
            kept.append(line)
        cleaned = "\n".join(kept)
        lowered = lower(cleaned, self.casing)
        phrases_in_text = [phrase for phrase in self.phrases if phrase in lowered]
        if phrases_in_text:
            cleaned = "\n".join(line for line in kept if not _holds(lower(line, self.casing), phrases_in_text))
        return cleaned.strip()

    def _ends(self, line: str) -> bool:
        bare = line.rstrip(self.closing) if self.closing else line
        return bare.endswith(self.signs) and not bare.endswith(("...", "…"))


def _phrases(profile: LanguageConfig) -> list[str]:
    return [lower(phrase, profile.casing) for phrase in profile.lines.boilerplate]


def _holds(lowered: str, phrases: list[str]) -> bool:
    return any(phrase in lowered for phrase in phrases)
