"""Gold morphology from a treebank, to see whether tokens are morphemes."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from common.errors import UserError

ATTESTED = 2
DOTTED = {"tr", "az", "kk", "crh", "tt"}  # where the lowercase of I is dotless
MULTIWORD = re.compile(r"^(\d+)-(\d+)$")


@dataclass
class Word:
    """A word of a sentence: its first character, its form and its stem's length (0: the gold lemma does not begin the
    form)."""

    start: int
    form: str
    stem: int

    @property
    def ending(self) -> str:
        """Ending: what follows the stem."""
        return self.form[self.stem :]


def language_of(path: str | Path) -> str:
    """Language code at the beginning of a treebank's file name (`tr_boun-ud-dev.conllu`: tr)."""
    return Path(path).name.partition("_")[0]


def lower(text: str, language: str) -> str:
    """Lowercase, character by character; with dotted and dotless i where the language has both."""
    if language in DOTTED:
        text = text.replace("I", "ı").replace("İ", "i")
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def read_conllu(path: str | Path) -> Iterator[tuple[str, list[Word]]]:
    """Sentences of a CoNLL-U file with their words.

    Lines of ten columns: ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC; a blank line ends a sentence, whose text
    stands in ``# text = ...``. A range (``6-7``) gives the form of a word that is written as one and analysed as
    several: it counts as one word with the first part's lemma. Empty nodes (``8.1``) are passed over. Raises UserError
    naming the line that is none of these."""
    language = language_of(path)
    text, rows = "", []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"tokenizer.morphemes={path} cannot be read ({error}); name a CoNLL-U file") from error
    for number, line in enumerate([*lines, ""], 1):
        if line.startswith("# text = "):
            text = line.removeprefix("# text = ")
        elif not line:
            if rows:
                yield text, _words(text, rows, language)
            text, rows = "", []
        elif not line.startswith("#"):
            columns = line.split("\t")
            if len(columns) != 10:
                raise UserError(
                    f"{path} line {number} has {len(columns)} columns where CoNLL-U has 10; name a CoNLL-U file"
                )
            rows.append(columns[:3])


def _words(text: str, rows: list[list[str]], language: str) -> list[Word]:
    """Place the forms of a sentence in its text."""
    lemmas = {index: lemma for index, _, lemma in rows}
    words: list[Word] = []
    position = inside = 0
    for index, form, lemma in rows:
        if match := MULTIWORD.match(index):
            inside, lemma = int(match[2]), lemmas[match[1]]
        elif not index.isdigit() or int(index) <= inside:
            continue
        start = text.find(form, position)
        if start < 0:
            continue
        position = start + len(form)
        begins = lower(form, language).startswith(lower(lemma, language)) and len(lemma) <= len(form)
        words.append(Word(start, form, len(lemma) if begins else 0))
    return words


def measure(tokenizer: Tokenizer, path: str | Path) -> dict[str, float | int]:
    """Measure how the tokens of a treebank lie on its morphemes, over words whose lemma begins their form (others
    change their stem and say nothing about where it ends: ``covered`` is the share that remains).

    ``whole_morpheme``: share of tokens that are exactly the stem, or exactly an ending (one suffix or a chain of them)
    that the treebank has after some stem at least twice. ``stem_kept``: share of words with an ending in which no token
    crosses the border between stem and ending. The idea is the token purity of Bayram et al. 2025 (Tokenization
    standards for linguistic integrity), taken from gold lemmas in place of an analyser."""
    language = language_of(path)
    sentences = list(read_conllu(path))
    endings = Counter(lower(word.ending, language) for _, words in sentences for word in words if word.stem)
    attested = {ending for ending, count in endings.items() if ending and count >= ATTESTED}
    tokens = whole = words_seen = covered = kept = with_ending = 0
    for text, words in sentences:
        spans = _spans(tokenizer, text)
        for word in words:
            if not any(c.isalpha() for c in word.form):
                continue
            words_seen += 1
            if not word.stem:
                continue
            covered += 1
            border, end = word.start + word.stem, word.start + len(word.form)
            inside = [span for span in spans if span[0] < end and span[1] > word.start]
            tokens += len(inside)
            whole += sum(
                span == (word.start, border)
                or (border <= span[0] and lower(text[span[0] : span[1]], language) in attested)
                for span in inside
            )
            if word.ending:
                with_ending += 1
                kept += not any(span[0] < border < span[1] for span in inside)
    return {
        "words": words_seen,
        "covered": _share(covered, words_seen),
        "whole_morpheme": _share(whole, tokens),
        "stem_kept": _share(kept, with_ending),
    }


def _spans(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    """Characters that each token covers, white space before them left out."""
    spans = []
    for start, end in tokenizer.encode(text, add_special_tokens=False).offsets:
        while start < end and text[start].isspace():
            start += 1
        spans.append((start, end))
    return spans


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
