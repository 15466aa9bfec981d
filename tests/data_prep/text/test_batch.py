"""The arrays of a batch against Python's own `re` and `str` on the same texts."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.text.batch import Batch, hash_words
from data_prep.text.characters import lower

TURKISH = {"I": "ı", "İ": "i"}
TEXTS = [
    "Iğdır'da  İSTANBUL: 12. madde…\n\n son\t",
    "",
    "\n",
    "a",
    "  ",
    "Zażółć gęślą\u2028jaźń \U0001f600\U00020001 x_y",
    "é\u0301\r\nb",
]
ANY = st.lists(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x1FFFD), max_size=40), max_size=6)


def pieces(batch, spans):
    text = "\n".join(batch.texts) + "\n"
    by_text = [[] for _ in batch.texts]
    for start, end, owner in zip(spans.starts, spans.ends, spans.owners, strict=True):
        by_text[owner].append(text[start:end])
    return by_text


@given(ANY)
@settings(max_examples=200, deadline=None)
@pytest.mark.parametrize("fixed", [TEXTS, []])
def test_tokens_words_and_lines_are_those_of_python(fixed, texts):
    texts = fixed or texts
    batch = Batch(texts)
    assert pieces(batch, batch.tokens) == [re.findall(r"\w+|[^\w\s]", text) for text in texts]
    assert pieces(batch, batch.words) == [re.findall(r"\w+", text) for text in texts]
    assert pieces(batch, batch.lines) == [text.split("\n") for text in texts]
    assert pieces(batch, batch.stripped_lines) == [[line.strip() for line in text.split("\n")] for text in texts]
    assert batch.tokens.total(batch.token_is_word).tolist() == [len(re.findall(r"\w+", text)) for text in texts]
    assert [len(text.splitlines()) for text in texts if text] == [
        int(count) + (text.splitlines(True)[-1:] == [text.splitlines()[-1]])
        for text, count in zip(texts, batch.count(batch.breaks) - batch.count(crlf(batch)), strict=True)
        if text
    ]


def crlf(batch):
    pair = np.zeros(len(batch.codes), bool)
    pair[1:] = (batch.codes[1:] == 10) & (batch.codes[:-1] == 13)
    return pair


@given(ANY)
@settings(max_examples=100, deadline=None)
def test_hashes_are_equal_where_the_words_are(texts):
    batch = Batch(texts, TURKISH)
    words = [word for words_of_text in pieces(batch, batch.words) for word in words_of_text]
    assert batch.word_hashes.tolist() == hash_words(words, TURKISH).tolist()
    lowered = [lower(word, TURKISH) for word in words]
    plain = [word for word in lowered if not re.search(r"[^\W\d_]\u0307", word)]
    assert len(set(hash_words(plain).tolist())) == len(set(plain))


def test_counts_are_those_of_each_text_alone():
    batch = Batch(TEXTS)
    assert batch.count(batch.is_any(".:…")).tolist() == [sum(c in ".:…" for c in text) for text in TEXTS]
    assert batch.words.total(batch.word_has_letter).tolist() == [
        sum(any(c.isalpha() for c in word) for word in re.findall(r"\w+", text)) for text in TEXTS
    ]


def test_turkish_lowercases_its_own_way():
    assert lower("IĞDIR İL", TURKISH) == "ığdır il"
    assert hash_words(["IĞDIR"], TURKISH) == hash_words(["ığdır"], TURKISH)
    assert hash_words(["IĞDIR"]) != hash_words(["ığdır"])
