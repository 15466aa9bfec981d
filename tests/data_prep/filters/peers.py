"""datatrove's filters with our word tokenizer and our constants, and our rules on the same texts."""

import random
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from conf.schema.language import LanguageConfig
from data_prep.filters.rule import Rule
from data_prep.text.batch import Batch
from data_prep.text.characters import lower

pytest.importorskip("datatrove")
from datatrove.data import Document  # noqa: E402
from datatrove.utils.word_tokenizers import WordTokenizer  # noqa: E402

REASONS = {
    "line_punct_ratio": "fineweb/few_terminal_lines",
    "short_line_ratio": "fineweb/short_lines",
    "char_dup_ratio": "fineweb/repeated_lines",
    "list_ratio": "fineweb/list",
    "gopher_short_doc": "gopher_quality/too_few_words",
    "gopher_long_doc": "gopher_quality/too_many_words",
    "gopher_below_avg_threshold": "gopher_quality/short_words",
    "gopher_above_avg_threshold": "gopher_quality/long_words",
    "gopher_too_many_hashes": "gopher_quality/hashes",
    "gopher_too_many_ellipsis": "gopher_quality/ellipses",
    "gopher_too_many_bullets": "gopher_quality/bullets",
    "gopher_too_many_end_ellipsis": "gopher_quality/ellipsis_lines",
    "gopher_below_alpha_threshold": "gopher_quality/few_letters",
    "gopher_enough_stop_words": "gopher_quality/stop_words",
    "dup_para_frac": "gopher_repetition/duplicate_paragraphs",
    "dup_para_char_frac": "gopher_repetition/duplicate_paragraph_characters",
    "dup_line_frac": "gopher_repetition/duplicate_lines",
    "dup_line_char_frac": "gopher_repetition/duplicate_line_characters",
    **{f"top_{length}_gram": f"gopher_repetition/top_{length}_gram" for length in (2, 3, 4)},
    **{f"duplicated_{length}_n_grams": f"gopher_repetition/duplicate_{length}_grams" for length in range(5, 11)},
    "lorem_ipsum": "c4/phrase",
    "curly_bracket": "c4/phrase",
    "too_few_sentences": "c4/few_sentences",
}
"""datatrove's reasons and ours."""


SEPARATORS = ["\r\n", "\u2028", "\f", "\x1c", "\r", ""]


class RegexTokenizer(WordTokenizer):
    """The words of `Batch.tokens`, in lower case if a profile is given, and the sentences of the rule c4, by Python's
    `re`."""

    def __init__(self, profile: LanguageConfig, lowered: bool = False):
        super().__init__()
        self.casing = profile.casing if lowered else None
        self.profile, self.word = profile, re.compile(r"\w+|[^\w\s]")
        signs, closing = (
            f"[{re.escape(characters)}]" if characters else "(?!)"
            for characters in (profile.terminal_punctuation, profile.closing)
        )
        self.end = re.compile(f"{signs}(?!{signs}){closing}{{0,8}}(?=(\\s|$))")
        self.parts = {word.rstrip(".").split(".")[-1] for word in profile.abbreviations}

    def word_tokenize(self, text: str) -> list[str]:
        """Words and signs."""
        if self.casing is not None:  # one character for one: Python makes two of a dotted I
            text = "İ".join(lower(part, self.casing) for part in text.translate(str.maketrans(self.casing)).split("İ"))
        return self.word.findall(text)

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """Sentences that end."""
        ends = [match.end() for match in self.end.finditer(text) if not self._within(text, match)]
        return list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []

    def _within(self, text: str, match: re.Match) -> bool:
        word = re.search(r"\w+$", text[: match.start()])
        if match[0][0] != "." or not word or match[1] in ("", *"\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"):
            return False
        word = word[0]
        number = len(word) <= 2 and word[0].isdigit() and word[-1].isdigit()
        return number or (len(word) == 1 and word.isupper()) or lower(word, self.profile.casing) in self.parts

    def sent_tokenize(self, text: str) -> list[str]:
        """Texts of the sentences."""
        return [text[start:end] for start, end in self.span_tokenize(text)]


def their_verdicts(peer, texts: Iterable[str]) -> list[str | None]:
    """The reason, in our words, for which datatrove rejects each text; None where it keeps it."""
    reasons = []
    for text in texts:
        verdict = peer.filter(Document(text=text, id=""))
        reasons.append(
            None if verdict is True else f"{peer.rule}/empty" if verdict[1] == "empty" else REASONS[verdict[1]]
        )
    return reasons


def our_verdicts(rule: Rule, texts: Sequence[str], profile: LanguageConfig, size: int = 64) -> list[str | None]:
    """The reason for which a rule rejects each text, judged in batches; None where it keeps it."""
    verdicts: list[str | None] = []
    for start in range(0, len(texts), size):
        batch = Batch(texts[start : start + size], profile.casing)
        alive, reasons = np.ones(len(batch), bool), np.full(len(batch), None, object)
        for test in rule.judge(batch, alive, []):
            reasons[alive & test.rejected] = test.name
            alive &= ~test.rejected
        verdicts += reasons.tolist()
    return verdicts


def damaged(text: str, draw: random.Random) -> str:
    """A text with some faults that the rules look for."""
    lines = text.split("\n")
    kinds = {
        "cut": lambda: text[: draw.randint(0, 400)],
        "repeat_lines": lambda: "\n".join(lines + draw.choices(lines, k=1 + len(lines) // 3)),
        "repeat_part": lambda: text + " " + text[: draw.randint(50, 400)] * draw.randint(1, 4),
        "paragraphs": lambda: "\n\n".join(draw.choices(lines, k=len(lines) + 1)),
        "menu": lambda: "\n".join(draw.sample(text.split() or [""], min(40, len(text.split())))),
        "bullets": lambda: "\n".join(draw.choice(["- ", "• ", "  -"]) + line for line in lines),
        "ellipses": lambda: "\n".join(line[:60] + draw.choice(["...", "…", "... "]) for line in lines),
        "symbols": lambda: re.sub(r"\s", lambda match: draw.choice([" # ", "...", " § ", match[0]]), text[:1500]),
        "digits": lambda: re.sub(r"[a-zç-ş]{3,}", lambda match: str(len(match[0])), text[:3000]),
        "separators": lambda: re.sub(r"[.,] ", lambda match: match[0] + draw.choice(SEPARATORS), text[:3000]),
        "glued": lambda: re.sub(r"(\w) (\w)", r"\1\2", text[:2000]),
        "blank": lambda: draw.choice(["", " ", "\n", "\n\n", " \n \n", "\n" + text[:200] + "\n",
        text[:300] + "\n\n\n"]),
        "phrase": lambda: text[:2000] + draw.choice([" Lorem Ipsum sit amet dolor.", " bir { iki üç.", "\nLOREM IPSUM",
        "\nx {", " [12]"]),
        "underscores": lambda: re.sub(r"(\w+) ", lambda match: draw.choice([match[0], "____ ", "_a "]), text[:1500]),
    }  # fmt: skip
    return kinds[draw.choice(sorted(kinds))]()
