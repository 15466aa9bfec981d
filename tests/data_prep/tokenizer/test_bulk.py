"""The fast libraries against `tokenizers`, on real and on nasty text, and what happens where they differ."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, pre_tokenizers

from common.errors import UserError
from conf.schema.data import DataConfig, TokenizerConfig
from data_prep.sources.readers import Document, Span, read_documents
from data_prep.tokenizer.backends import Gigatoken, Reference, Refused, Tiktoken, load_reference, vocabulary_size
from data_prep.tokenizer.bulk import BulkEncoder, Differs, identity
from data_prep.tokenizer.train import save, train

NASTY = [
    "", "\x00", "a\x00b\x00\x00", "[MASK] [CLS]kale[SEP][PAD] <|endoftext|><|im_start|>", "  \n\n  \r\n\t x  ",
    " " * 3000, "\n" * 3000,
    "e\u0301 e\u0301\u0301 İstanbul I\u0307 ﬁ Å \u212b", "👨‍👩‍👧‍👦 🏳️‍🌈 🇹🇷", "'S 'ſ 'LL don't İ'ſ 'K", "١٢٣٤ ½²³ 12345",
    "한국어 ᄒ",
    "a" * 5000, "\u00a0\u2003x\u2028y\u0085z", "\U0010ffff\ufeff\u200d\u0300", "\u0300abc", "\ud7ff\ue000",
    "\x1c\x1d\x1e\x1f\x0b\x0c a",
    "x\u180ey", "kaleri\u0327lar",
]  # fmt: skip
VARIANTS = {
    "llama3": {},
    "qwen": {"pattern": "qwen", "chat_tokens": True},
    "gpt4-raw": {"pattern": "gpt4", "nfc": False},
    "lowercase": {"lowercase": True},
}


@pytest.fixture(scope="module", params=VARIANTS)
def folder(request, texts, tmp_path_factory):
    config = TokenizerConfig(vocab_size=450, **VARIANTS[request.param])
    path = tmp_path_factory.mktemp(request.param)
    save(train(texts, config), config, path)
    return path


def equal(first, second):
    return len(first) == len(second) and all(map(np.array_equal, first, second))


def documents(texts):
    return [Document(text, Span(Path("x.jsonl")), row) for row, text in enumerate(texts, 1)]


def test_all_three_give_the_same_ids(folder, texts):
    reference = load_reference(folder)
    right = Reference(reference).encode(NASTY + texts)
    assert equal(Gigatoken(reference).encode(NASTY + texts), right)
    assert equal(Tiktoken(reference).encode(NASTY + texts), right)
    assert right[0].size == 0 and all(ids.dtype == np.uint32 for ids in right)


def test_the_lowercase_tokenizer_is_served_by_gigatoken_all_the_same(folder):
    warned = []
    assert next(BulkEncoder(folder, 1, warned.append).backends()).name == "gigatoken" and not warned


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(), max_size=4))
def test_any_text_gets_the_same_ids(small_tokenizer, drawn):
    drawn = [text.encode("utf-8", "replace").decode() for text in drawn]
    reference = load_reference(small_tokenizer)
    right = Reference(reference).encode(drawn)
    assert equal(Gigatoken(reference).encode(drawn), right) and equal(Tiktoken(reference).encode(drawn), right)


def test_special_tokens_in_text_are_text(folder):
    reference = load_reference(folder)
    specials = {token.content: index for index, token in reference.get_added_tokens_decoder().items()}
    for backend in (Gigatoken(reference), Tiktoken(reference), Reference(reference)):
        for ids in backend.encode([f"ka {name}ler" for name in specials]):
            assert not set(ids.tolist()) & set(specials.values()), backend.name
            assert reference.decode(ids.tolist()).lower().endswith("ler")


def test_turkish_law_is_encoded_the_same(shared_data, tmp_path):
    data = [d.text for d in read_documents(shared_data / "tr_general" / "train.jsonl.zst", DataConfig())][:120]
    config = TokenizerConfig(vocab_size=2500)
    save(train(data, config), config, tmp_path)
    reader = read_documents(shared_data / "tr_legal" / "train.jsonl.zst", DataConfig())
    law = [d.text for d, _ in zip(reader, range(60), strict=False)] + data
    reference = load_reference(tmp_path)
    right = Reference(reference).encode(law)
    assert equal(Gigatoken(reference).encode(law), right) and equal(Tiktoken(reference).encode(law), right)


def change(source, target, edit):
    """A tokenizer folder with ``edit`` applied to the loaded tokenizer."""
    tokenizer = load_reference(source)
    edit(tokenizer)
    target.mkdir(exist_ok=True)
    tokenizer.save(str(target / "tokenizer.json"))
    return target


def own_pattern(tokenizer):
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\w+|[^\w]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def test_a_pattern_that_gigatoken_does_not_know_falls_back_loudly_to_tiktoken(small_tokenizer, tmp_path, texts):
    encoder = BulkEncoder(change(small_tokenizer, tmp_path / "own", own_pattern), 1, (warned := []).append)
    assert [backend.name for backend in encoder.backends()] == ["tiktoken", "tokenizers"]
    assert "warning" in warned[0] and "gigatoken does not serve this tokenizer" in warned[0] and len(warned) == 1
    backend = next(encoder.backends())
    assert equal(
        sum(encoder.encode(backend, documents(NASTY[:6] + texts)), []),
        Reference(encoder.reference).encode(NASTY[:6] + texts),
    )


def test_a_checked_document_that_differs_is_caught(small_tokenizer, tmp_path):
    """A file that lists a token twice, once as a special one: `tokenizers` takes it for text, and writes it down as no
    special one."""
    folder = change(small_tokenizer, tmp_path / "twice", lambda t: t.add_tokens([AddedToken("cat", normalized=False)]))
    listed = json.loads((folder / "tokenizer.json").read_text())
    listed["added_tokens"].insert(-1, listed["added_tokens"][-1] | {"special": True})
    (folder / "tokenizer.json").write_text(json.dumps(listed))
    encoder = BulkEncoder(folder, 3, (warned := []).append)
    backend = next(encoder.backends())
    assert backend.name == "gigatoken"
    with pytest.raises(Differs, match="gigatoken gives other ids than tokenizers for x.jsonl:4"):
        list(encoder.encode(backend, documents(["a", "b", "c", "concatenate", "d"])))
    assert [len(batch) for batch in encoder.encode(backend, documents(["a", "b", "concatenate"]))] == [
        3
    ]  # not one of the sample
    assert [b.name for b in encoder.backends()] == ["gigatoken", "tokenizers"] and "tiktoken does not serve" in warned[
        0
    ]


def test_tiktoken_merges_what_bpe_would_not_and_is_caught(tmp_path):
    """tiktoken joins any two neighbours whose concatenation is a token, BPE only the pairs it has learnt."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {name: index for index, name in enumerate([*alphabet, "bc", "ab", "abc"])}
    settings = {"type": "BPE", "vocab": vocab, "merges": [["b", "c"], ["a", "b"], ["ab", "c"]]}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": settings}))
    folder = change(tmp_path, tmp_path / "own", own_pattern)
    encoder = BulkEncoder(folder, 1, print)
    assert not equal(Tiktoken(encoder.reference).encode(["abc"]), Reference(encoder.reference).encode(["abc"]))
    with pytest.raises(Differs, match="tiktoken gives other ids"):
        list(encoder.encode(next(encoder.backends()), documents(["abc"])))


def test_a_panic_of_tiktoken_is_a_difference_not_a_crash(small_tokenizer, tmp_path, capfd):
    tokenizer = load_reference(small_tokenizer)
    backend = Tiktoken(tokenizer)
    encoder = BulkEncoder(small_tokenizer, 1000, print)
    with pytest.raises(Differs, match="tiktoken fails on a document between x.jsonl:1 and x.jsonl:2"):
        list(encoder.encode(backend, documents(["ka", " " * 2_000_000])))
    capfd.readouterr()


def test_tiktoken_refuses_what_it_cannot_be(small_tokenizer, tmp_path):
    def refused(edit):
        with pytest.raises(Refused) as error:
            Tiktoken(load_reference(change(small_tokenizer, tmp_path / "x", edit)))
        return str(error.value)

    def prefix_space(tokenizer):
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()

    assert "added tokens" in refused(lambda t: t.add_tokens(["cat"]))
    assert "pre-tokenizer" in refused(prefix_space)


def test_truncation_and_padding_of_a_saved_tokenizer_are_dropped(small_tokenizer, tmp_path):
    def limit(tokenizer):
        tokenizer.enable_truncation(4)
        tokenizer.enable_padding(length=8)

    folder = change(small_tokenizer, tmp_path / "limit", limit)
    reference = load_reference(folder)
    for backend in (Gigatoken(reference), Tiktoken(reference), Reference(reference)):
        assert equal(
            backend.encode(["kalerilar " * 20, "a"]),
            Reference(load_reference(small_tokenizer)).encode(["kalerilar " * 20, "a"]),
        )


def test_ids_around_a_document(small_tokenizer, texts, tmp_path):
    assert identity(small_tokenizer, True) == (500, [2], [3]) and identity(small_tokenizer, False) == (500, [], [])
    config = TokenizerConfig(vocab_size=400, mlm_tokens=False, chat_tokens=True)
    save(train(texts, config), config, tmp_path)
    assert identity(tmp_path, True) == (400, [], [0])
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": {"content": "<|im_end|>"}}')
    assert identity(tmp_path, True)[1:] == ([], [2])
    none = TokenizerConfig(vocab_size=300, mlm_tokens=False)
    save(train(texts, none), none, tmp_path)
    with pytest.raises(UserError, match="no template and no end-of-text token; set prepare.add_special_tokens=false"):
        identity(tmp_path, True)


def test_a_missing_or_broken_tokenizer_is_named(tmp_path):
    with pytest.raises(UserError, match="there is no tokenizer.json in data.tokenizer="):
        load_reference(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="tokenizer.json is not a tokenizer"):
        load_reference(tmp_path)


def test_the_vocabulary_counts_gaps(small_tokenizer, tmp_path):
    tokenizer = json.loads((small_tokenizer / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["zz"] = 700
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert vocabulary_size(load_reference(tmp_path)) == 701
