"""Added tokens that are matched in text: the ids of `tokenizers`, or a refusal of the faster libraries before any
document."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from conf.schema.data import PrepareConfig
from data_prep.tokenizer.backends import Gigatoken, Reference, Refused, Tiktoken, load_reference
from data_prep.tokenizer.bulk import BulkEncoder
from data_prep.tokenizer.patterns import CL100K
from tests.data_prep.tokenizer.test_bulk import documents, equal

WORDS = ["cat", "Cat", "CAT", "concatenate", "foo bar", "foo  bar", "FOO BAR", "é", "e\u0301", "\u00e9\u0323\u0301",
"É", "ﬁn", "abc", "a",
         "K", "\u212a", "a\u0301", "<x>", "<x>\u0338", "12345", "  ", "\n\n", "İ", "<s>"]  # fmt: skip
TEXTS = [
    shape.format(word)
    for word in WORDS
    for shape in ("{}", " {} ", "x{}", "{}x", "  {0}\n{0}", ".{}.", "{}\u0301", "{0} {0}")
]
NORMALIZERS = {
    "none": lambda: None,
    "nfc": normalizers.NFC,
    "lowercase": normalizers.Lowercase,
    "nfkc, lowercase": lambda: normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]),
    "nfd": normalizers.NFD,
}


def write(folder, normalizer, *added):
    """A byte-level tokenizer with ``added`` tokens, in a folder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer, tokenizer.decoder = normalizer, decoders.ByteLevel()
    steps = (
        pre_tokenizers.Split(Regex(CL100K), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(list(steps))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 3, trainer)
    tokenizer.add_tokens(list(added))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def first_backend(folder, texts):
    """The backend that serves, what was said of the others, and whether its ids are those of `tokenizers`, no document
    being sampled but the first."""
    encoder = BulkEncoder(folder, PrepareConfig().check_every * 1000, (warned := []).append)
    backend = next(encoder.backends())
    encoded = sum(encoder.encode(backend, documents(["", *texts])), [])[1:]
    return backend.name, warned, equal(encoded, Reference(load_reference(folder)).encode(texts))


WRONG = {
    "single word": ("none", [AddedToken("cat", single_word=True, normalized=False)]),
    "normalized, lowercase": ("lowercase", [AddedToken("Cat", normalized=True)]),
    "not normalized, lowercase": ("lowercase", [AddedToken("cat", normalized=False)]),
    "normalized, nfkc and lowercase": ("nfkc, lowercase", [AddedToken("ﬁ", normalized=True)]),
    "normalized, nfc": ("nfc", [AddedToken("é", normalized=True)]),
    "normalized, nfc, a letter that takes accents": ("nfc", [AddedToken("a", normalized=True)]),
    "normalized, nfc, an end that takes marks": ("nfc", [AddedToken("<x>", normalized=True)]),
    "normalized, nfc, what other characters become": ("nfc", [AddedToken("K", normalized=True)]),
    "a mark, nfc": ("nfc", [AddedToken("\u0301", normalized=False)]),
    "normalized, nfd": ("nfd", [AddedToken("é", normalized=True)]),
    "overlap of two passes": ("none", [AddedToken("bc", normalized=False), AddedToken("ab", normalized=True)]),
    "one in another of two passes": ("none", [AddedToken("ab", normalized=False), AddedToken("abc", normalized=True)]),
    "overlap with a special one": (
        "none",
        [AddedToken("ab", special=True, normalized=False), AddedToken("bc", normalized=False)],
    ),
    "rstrip and white space": ("none", [AddedToken("\n", rstrip=True, normalized=False)]),
}


@pytest.mark.parametrize("case", WRONG)
def test_added_tokens_that_gigatoken_finds_elsewhere_are_refused_up_front(case, tmp_path, monkeypatch):
    normalizer, added = WRONG[case]
    folder = write(tmp_path, NORMALIZERS[normalizer](), *added)
    name, warned, right = first_backend(folder, TEXTS)
    assert name == "tokenizers" and right
    assert (
        "gigatoken does not serve this tokenizer: its added token" in warned[0]
        and repr(added[0].content)[1:-1] in warned[0]
    )
    monkeypatch.setattr("data_prep.tokenizer.backends.unlike_gigatoken", lambda *_, **__: None)
    assert first_backend(folder, TEXTS)[::2] == ("gigatoken", False), "the refusal is not for nothing"


RIGHT = {
    "of the text as it is": ("none", [AddedToken("cat"), AddedToken("foo bar", normalized=True), AddedToken("é")]),
    "within one another, one pass": ("none", [AddedToken("ab", normalized=False), AddedToken("abc", normalized=False)]),
    "that overlap, one pass": ("none", [AddedToken("ab", normalized=False), AddedToken("bc", normalized=False)]),
    "with white space around them": ("none", [AddedToken("cat", lstrip=True, rstrip=True, normalized=False)]),
    "as Qwen has them": ("nfc", [AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)]),
    "as ModernBERT has them": (
        "nfc",
        [AddedToken(content, normalized=True) for content in ("|||EMAIL|||", "  ", "   ", "\n\n")],
    ),
    "special ones alone": (
        "lowercase",
        [AddedToken("<x>", special=True), AddedToken("Cat", special=True, single_word=True)],
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_others_are_served_by_gigatoken(case, tmp_path):
    normalizer, added = RIGHT[case]
    more = [token.content * 2 for token in added] + [f"\u0301{token.content}\u0338" for token in added]
    name, warned, right = first_backend(write(tmp_path, NORMALIZERS[normalizer](), *added), TEXTS + more)
    assert (name, warned, right) == ("gigatoken", [], True)


TOKEN = st.builds(
    AddedToken, st.text("ab< \n|é\u0301K", min_size=1, max_size=3), single_word=st.sampled_from([False, False, False,
    True]),
    lstrip=st.sampled_from([False, False, True]), rstrip=st.sampled_from([False, False, True]),
    normalized=st.booleans(),
    special=st.sampled_from([False, False, True]),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(list(NORMALIZERS)),
    st.lists(TOKEN, min_size=1, max_size=3, unique_by=lambda token: token.content),
    st.lists(st.text("ab< \n|éx\u0301\u0338K\u212a", max_size=20), min_size=1, max_size=30),
)
def test_whatever_is_added_the_ids_are_those_of_tokenizers_or_the_library_refuses(
    tmp_path_factory, normalizer, added, texts
):
    reference = load_reference(write(tmp_path_factory.mktemp("any"), NORMALIZERS[normalizer](), *added))
    right = Reference(reference).encode(texts)
    for kind in (Gigatoken, Tiktoken):
        try:
            backend = kind(reference)
        except Refused:
            continue
        assert equal(backend.encode(texts), right), backend.name


def test_an_empty_added_token_is_none(tmp_path):
    folder = write(tmp_path, None, AddedToken("cat", normalized=False))
    settings = json.loads((folder / "tokenizer.json").read_text())
    settings["added_tokens"].append(settings["added_tokens"][-1] | {"content": "", "id": 400})
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    name, _, right = first_backend(folder, TEXTS)
    assert name == "gigatoken" and right and np.concatenate(Reference(load_reference(folder)).encode(TEXTS)).max() < 400
