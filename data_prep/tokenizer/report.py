"""Report of how well a tokenizer fits a language, beside another one when asked."""

import re
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from common.progress import track
from common.screen import screen
from data_prep.tokenizer import morphemes

WORD = re.compile(r"\w+")
BATCH = 64
COLUMNS = {
    "fertility": "tokens per word",
    "characters_per_token": "characters per token",
    "whole_word": "whole words",
    "whole_morpheme": "whole morphemes",
    "stem_kept": "stems kept",
}


def measure(tokenizer: Tokenizer, texts: list[str]) -> dict[str, float | int]:
    """Figures of one tokenizer on the texts of one language, special tokens left out.

    ``fertility``: tokens per word, words being what white space separates (so punctuation costs).
    ``characters_per_token``: characters of the text (not bytes). ``whole_word``: share of the tokens with a letter or
    digit that are exactly one word, a word being a run of letters, digits and underscores. Nothing is measured on empty
    texts."""
    tokens = words = characters = whole = wordy = 0
    for first in range(0, len(texts), BATCH):
        part = [
            tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
            for text in texts[first : first + BATCH]
        ]
        for text, encoding in zip(part, tokenizer.encode_batch(part, add_special_tokens=False), strict=True):
            tokens += len(encoding.ids)
            words += len(text.split())
            characters += len(text)
            whole_words, all_of_them = _whole_words(text, encoding)
            whole, wordy = whole + whole_words, wordy + all_of_them
    return {
        "documents": len(texts),
        "words": words,
        "tokens": tokens,
        "fertility": _ratio(tokens, words),
        "characters_per_token": _ratio(characters, tokens),
        "whole_word": _ratio(whole, wordy),
    }


def _whole_words(text: str, encoding: Encoding) -> tuple[int, int]:
    """Tokens that are exactly one word, and tokens with a letter or digit.

    Bytes of one character have the same offsets, so a token is a word only if no other token touches those
    characters."""
    ends = {match.start(): match.end() for match in WORD.finditer(text)}
    spans = encoding.offsets
    whole = wordy = 0
    for number, (start, end) in enumerate(spans):
        while start < end and text[start].isspace():
            start += 1
        wordy += bool(WORD.search(text, start, end))
        if ends.get(start) == end:
            before = spans[number - 1][1] if number else 0
            after = spans[number + 1][0] if number + 1 < len(spans) else end
            whole += before <= start and after >= end
    return whole, wordy


def build(tokenizers: dict[str, Tokenizer], texts: dict[str, list[str]], treebank: str | None) -> dict[str, Any]:
    """The report: ``{language: {name of tokenizer: figures}}``. A treebank adds its figures under its own language
    (`tr_...conllu`)."""
    report: dict[str, Any] = {language: {} for language in sorted(texts)}
    work = [(language, name) for language in report for name in tokenizers]
    for language, name in track(work, "report", len(work)):
        report[language][name] = measure(tokenizers[name], texts[language])
    if treebank:
        for name, tokenizer in tokenizers.items():
            under = report.setdefault(morphemes.language_of(treebank), {}).setdefault(name, {})
            under["morphemes"] = {"treebank": Path(treebank).name, **morphemes.measure(tokenizer, treebank)}
    return report


def print_report(report: dict[str, Any]) -> None:
    """Print the report as a table."""
    from rich.table import Table

    table = Table("language", "tokenizer", *COLUMNS.values(), title="How the tokenizer fits")
    for language, rows in report.items():
        for name, figures in rows.items():
            flat = figures | figures.get("morphemes", {})
            table.add_row(language, name, *(f"{flat[key]:.3f}" if key in flat else "-" for key in COLUMNS))
    screen().print(table)


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
