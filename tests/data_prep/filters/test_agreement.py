"""Verdicts and reasons against datatrove's filters at equal constants: English defaults, Turkish ones, real, damaged
and random texts.

Three things are not the peer's and are told to both sides alike: which signs are no words, that stop words are looked
for in lower case, and after which signs and closing signs a line ends a sentence. Nothing is left that differs."""

import dataclasses
import itertools
import random
import re

import orjson
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conf.schema.language import LanguageConfig
from conf.schema.root import Config
from data_prep.cleaning.lines import C4Lines
from data_prep.filters.c4 import C4
from data_prep.filters.fineweb import FineWeb
from data_prep.filters.gopher_quality import GopherQuality
from data_prep.filters.gopher_repetition import GopherRepetition
from data_prep.text.language import load_language
from tests.data_prep.filters.peers import REASONS, RegexTokenizer, damaged, our_verdicts, their_verdicts

c4_filters = pytest.importorskip("datatrove.pipeline.filters.c4_filters")
from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter  # noqa: E402
from datatrove.pipeline.filters.gopher_quality_filter import STOP_WORDS  # noqa: E402
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION  # noqa: E402

MOST_CLOSING = 2
"""Closing signs at the end of a line that the peer can be told of: it compares strings."""


def english_defaults() -> LanguageConfig:
    """A profile with the constants that datatrove has when it is told nothing."""
    signs = "".join(sorted(TERMINAL_PUNCTUATION))
    profile = LanguageConfig(code="en", stop_words=list(STOP_WORDS), terminal_punctuation=signs, closing="")
    profile.rules["gopher_quality"] = {"signs": "".join(sorted(PUNCTUATION_SET))}
    profile.lines.boilerplate = ["javascript", *c4_filters.POLICY_SUBSTRINGS]
    profile.lines.citations = ["edit", "citation needed"]
    return profile


def turkish() -> LanguageConfig:
    profile = load_language("tr")
    profile.rules["gopher_quality"]["signs"] = "".join(sorted(PUNCTUATION_SET))
    return profile


def peers(profile: LanguageConfig, lowered: bool = True) -> dict:
    """datatrove's filters with the constants of a profile, beside our rules."""
    fineweb, quality, repetition = (rule.settings_in(profile) for rule in (FineWeb, GopherQuality, GopherRepetition))
    words, lower_words = RegexTokenizer(profile), RegexTokenizer(profile, lowered)
    closings = [
        "".join(signs)
        for count in range(MOST_CLOSING + 1)
        for signs in itertools.product(profile.closing, repeat=count)
    ]
    theirs = {
        FineWeb: FineWebQualityFilter(
            line_punct_thr=fineweb.min_terminal_lines,
            stop_chars=tuple(sign + closing for sign in profile.terminal_punctuation for closing in closings),
            short_line_thr=fineweb.max_short_lines,
            short_line_length=fineweb.short_line,
            char_duplicates_ratio=fineweb.max_duplicate_characters,
            new_line_ratio=fineweb.max_newlines_per_word,
            language=words,
        ),
        GopherQuality: GopherQualityFilter(
            min_doc_words=quality.min_words,
            max_doc_words=quality.max_words,
            min_avg_word_length=quality.min_mean_word,
            max_avg_word_length=quality.max_mean_word,
            max_symbol_word_ratio=quality.max_symbols_per_word,
            max_bullet_lines_ratio=quality.max_bullet_lines,
            max_ellipsis_lines_ratio=quality.max_ellipsis_lines,
            max_non_alpha_words_ratio=quality.min_alphabetic_words,
            min_stop_words=quality.min_stop_words,
            stop_words=profile.stop_words,
            language=lower_words,
        ),
        GopherRepetition: GopherRepetitionFilter(
            dup_line_frac=repetition.max_duplicate_lines,
            dup_para_frac=repetition.max_duplicate_paragraphs,
            dup_line_char_frac=repetition.max_duplicate_line_characters,
            dup_para_char_frac=repetition.max_duplicate_paragraph_characters,
            top_n_grams=tuple(zip((2, 3, 4), repetition.max_top_ngrams, strict=True)),
            dup_n_grams=tuple(zip(range(5, 11), repetition.max_duplicate_ngrams, strict=True)),
            language=words,
        ),
    }
    for rule, peer in theirs.items():
        peer.rule = rule.name
    return theirs


@pytest.fixture(scope="module")
def real(shared_data) -> dict[str, list[str]]:
    """Some thousand texts, and as many of them damaged as makes a fifth."""
    by_language = {}
    for name, step, longest in (
        ("tr_legal", 20, 4000),
        ("tr_general", 3, 4000),
        ("en_legal", 4, 4000),
        ("en_general", 10, 4000),
    ):
        with zstandard.open(shared_data / name / "train.jsonl.zst", "rt", encoding="utf-8") as file:
            texts = [orjson.loads(line)["text"] for line in itertools.islice(file, 0, None, step)]
        by_language.setdefault(name[:2], []).extend(text for text in texts if len(text) <= longest)
    draw = random.Random(0)
    return {
        code: texts + [damaged(text, draw) for text in draw.sample(texts, len(texts) // 4)]
        for code, texts in by_language.items()
    }


def differences(texts: list[str], profile: LanguageConfig, rule: type, lowered: bool = True) -> tuple[list, set]:
    """Texts with both reasons where they differ, and the reasons that occurred."""
    theirs = their_verdicts(peers(profile, lowered)[rule], texts)
    ours = our_verdicts(rule(profile, Config()), texts, profile)
    return [judged for judged in zip(texts, theirs, ours, strict=True) if judged[1] != judged[2]], set(ours)


@pytest.mark.parametrize("rule", [FineWeb, GopherQuality, GopherRepetition])
@pytest.mark.parametrize(("code", "profile"), [("en", english_defaults()), ("tr", turkish())])
def test_verdicts_and_reasons_are_datatroves(real, code, profile, rule):
    differing, reasons = differences(real[code], profile, rule)
    assert not differing
    assert len(reasons) >= 5, reasons


def test_the_one_difference_is_a_stop_word_with_a_capital(real):
    """Without the change to lower case datatrove rejects what we keep, and only where a stop word is written with a
    capital letter."""
    profile = english_defaults()
    differing, _ = differences(real["en"], profile, GopherQuality, lowered=False)
    assert differing
    for text, theirs, ours in differing:
        assert (theirs, ours) == ("gopher_quality/stop_words", None)
        words = set(re.findall(r"\w+", text))
        assert (
            len(words & set(profile.stop_words)) < 2 <= len({word.lower() for word in words} & set(profile.stop_words))
        )


def c4_profile(code: str) -> LanguageConfig:
    """C4's own ends of a line, with the abbreviations of a language."""
    english, profile = english_defaults(), load_language(code)
    profile.terminal_punctuation, profile.closing = "".join(c4_filters.END_PUNCTUATION), ""
    return dataclasses.replace(profile, lines=english.lines, casing={})


def c4_differences(texts: list[str], profile: LanguageConfig) -> tuple[list, set]:
    """Texts whose verdict, reason or kept lines differ, with both; and the reasons that occurred."""
    clean, least = C4Lines(profile), C4.settings_in(profile).min_sentences
    peer = c4_filters.C4QualityFilter(min_num_sentences=least, language=RegexTokenizer(profile))
    cleaned = [clean(text) for text in texts]
    ours = our_verdicts(C4(profile, Config()), cleaned, profile)
    differing = []
    for text, lines, reason in zip(texts, cleaned, ours, strict=True):
        document = c4_filters.Document(text=text, id="")
        verdict = peer.filter(document)
        theirs = (None, document.text) if verdict is True else (REASONS[verdict[1]], None)
        if theirs != (reason, None if reason else lines):
            differing.append((text, theirs, (reason, lines)))
    return differing, set(ours)


@pytest.mark.parametrize("code", ["en", "tr"])
def test_c4_lines_and_documents_are_datatroves(real, code):
    differing, reasons = c4_differences(real[code], c4_profile(code))
    assert not differing
    assert reasons == {None, "c4/phrase", "c4/few_sentences"}


def test_c4_differs_where_a_line_is_both_boilerplate_and_a_reason_to_reject():
    """Ours removes lines first, the peer rejects at the first line that it meets."""
    kept = "One two three. " * 3 + "\n" + "Four five six! Seven eight nine. " * 2
    text = kept + "\nUses cookies { of three kinds."
    ((_, theirs, ours),), _ = c4_differences([text], c4_profile("en"))
    assert theirs == ("c4/phrase", None)
    assert ours[0] is None and "cookies" not in ours[1]


PIECES = [
    "a",
    "b ",
    "aa",
    " ",
    "\n",
    "\n\n",
    "\t",
    ".",
    "...",
    "…",
    "-",
    "• ",
    "#",
    "_",
    "İ",
    "I ",
    "12",
    "५",
    "e\u0301",
]
SEPARATORS = ["\r\n", "\r", "\f", "\u2028", "\x1c", "\x1f"]
TEXT = st.lists(st.sampled_from(PIECES + SEPARATORS), max_size=30).map("".join) | st.text(
    st.characters(max_codepoint=0x1FFFD, exclude_categories=["Cs"]), max_size=20
)


@given(st.lists(TEXT, min_size=1, max_size=5))
@example(["", "\r\n• ", "a\r", "\n- \r\n"])
@example([" "])
@settings(max_examples=80, deadline=None)
@pytest.mark.parametrize("rule", [FineWeb, GopherQuality, GopherRepetition])
def test_random_texts(rule, texts):
    profile = english_defaults()
    sections = profile.rules
    sections["gopher_quality"] |= {
        "min_words": 1, "min_mean_word": 1.0, "min_alphabetic_words": 0.3, "min_stop_words": 0,
    }  # fmt: skip
    assert not differences(texts, profile, rule)[0]
    profile.stop_words = ["a", "b"]
    sections["gopher_quality"] |= {
        "min_stop_words": 1, "max_symbols_per_word": 0.6, "max_bullet_lines": 0.4, "max_ellipsis_lines": 0.2,
    }  # fmt: skip
    sections["gopher_repetition"] = {
        "max_duplicate_lines": 0.6, "max_duplicate_paragraphs": 0.6,
        "max_duplicate_line_characters": 0.5, "max_duplicate_paragraph_characters": 0.5,
        "max_top_ngrams": [0.9, 0.8, 0.7], "max_duplicate_ngrams": [0.3, 0.25, 0.2, 0.15, 0.1, 0.05],
    }  # fmt: skip
    sections["fineweb"] = {"min_terminal_lines": 0.05, "max_short_lines": 0.999}
    assert not differences(texts, profile, rule)[0]
