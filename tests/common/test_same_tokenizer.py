"""Tokenizers compared by what they are, on real files: written otherwise, the same; changed in one place, told apart by
that place."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from common.errors import UserError
from common.same_tokenizer import difference

TEXT = ["the court sees the tenant and the owner pays 1234 debts", "mahkeme kararı gerekçesi é e\u0301 don't"] * 3
SETTINGS = {
    "eos_token": "<|end|>",
    "bos_token": None,
    "pad_token": "[PAD]",
    "tokenizer_class": "PreTrainedTokenizerFast",
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|end|>", "[PAD]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.add_tokens([AddedToken("<think>", normalized=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(SETTINGS))
    return folder


def changed(plain, folder, change, settings=None) -> Path:
    """A copy whose tokenizer.json ``change`` has written anew."""
    shutil.copytree(plain, folder)
    form = json.loads((folder / "tokenizer.json").read_text())
    form = change(form) or form
    (folder / "tokenizer.json").write_text(json.dumps(form, ensure_ascii=False))
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def merges_as_text(form):
    form["model"]["merges"] = [" ".join(pair) for pair in form["model"]["merges"]]


def defaults_left_out(form):
    form["model"] = {key: value for key, value in form["model"].items() if key in ("type", "vocab", "merges")}
    form["added_tokens"] = [{key: value for key,
    value in token.items() if value is not False} | {"special": token["special"]}
                            for token in form["added_tokens"]]  # fmt: skip
    for token in form["added_tokens"]:
        token.update({key: token.get(key, False) for key in ("single_word", "lstrip", "rstrip", "normalized")})


def empty_for_none(form):
    form["model"] |= {"continuing_subword_prefix": "", "end_of_word_suffix": ""}


def cut_and_padded(form):
    form["truncation"] = {"max_length": 4, "stride": 0, "strategy": "LongestFirst", "direction": "Right"}
    form["padding"] = {
        "strategy": {"Fixed": 8},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 1,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }


SAME = {
    "as it is": lambda form: None,
    "keys in another order": lambda form: dict(reversed([(key, value) for key, value in form.items()])),
    "vocabulary in another order": (
        lambda form: form["model"].update(vocab=dict(reversed(form["model"]["vocab"].items())))
    ),
    "merges as text": merges_as_text,
    "defaults left out": defaults_left_out,
    "empty for none": empty_for_none,
    "truncation and padding": cut_and_padded,
    "a sequence of one": lambda form: form.update(normalizer={"type": "Sequence", "normalizers": [form["normalizer"]]}),
    "a sequence in a sequence": lambda form: form.update(
        pre_tokenizer={"type": "Sequence", "pretokenizers": [form["pre_tokenizer"]]}
    ),
    "another decoder": lambda form: form.update(decoder=None),
}


@pytest.mark.parametrize("case", SAME)
def test_written_otherwise_it_is_the_same(plain, tmp_path, case):
    other = changed(
        plain,
        tmp_path / "other",
        SAME[case],
        {**SETTINGS, "model_max_length": 7, "chat_template": "x", "bos_token": "<|end|>"},
    )
    assert difference(plain, other) is None and difference(other, plain) is None


def test_as_transformers_saves_it_it_is_the_same(plain, tmp_path):
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(plain)
    loaded(["one two three"] * 2, padding="max_length", truncation=True, max_length=5)
    loaded.save_pretrained(tmp_path)
    assert (plain / "tokenizer.json").read_bytes() != (tmp_path / "tokenizer.json").read_bytes() and difference(
        plain, tmp_path
    ) is None


def swapped(form):
    vocab = form["model"]["vocab"]
    vocab["a"], vocab["b"] = vocab["b"], vocab["a"]


def swapped_merges(form):
    merges = form["model"]["merges"]
    merges[2], merges[3] = merges[3], merges[2]


def template(form):
    ids = {"<|end|>": {"id": "<|end|>", "ids": [0], "tokens": ["<|end|>"]}}
    special, text = {"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    form["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [special, text],
        "pair": [text, text],
        "special_tokens": ids,
    }


OTHER = {
    "ids": (swapped, r"the vocabulary: '[ab]' is \d+ and \d+"),
    "a token more": (
        lambda form: form["model"]["vocab"].update(zzz=999),
        "the vocabulary: 'zzz' is in the second alone",
    ),
    "merges": (swapped_merges, "merge 2 is '.+' and '.+'"),
    "a merge less": (
        lambda form: form["model"].update(merges=form["model"]["merges"][:-1]),
        r"merge \d+ is '.+' and none",
    ),
    "bytes": (lambda form: form["model"].update(ignore_merges=True), "model.ignore_merges is None and True"),
    "no normalizer": (lambda form: form.update(normalizer=None), r"normalizer: step 0 is \[.*NFC.*\] and none"),
    "normalizer": (lambda form: form.update(normalizer={"type": "NFKC"}), "normalizer: step 0 is .*NFC.* and .*NFKC"),
    "pre-tokenizer": (
        lambda form: form["pre_tokenizer"]["pretokenizers"][0].update(individual_digits=True),
        "pre_tokenizer: step 0 is",
    ),
    "order of steps": (lambda form: form["pre_tokenizer"]["pretokenizers"].reverse(), "pre_tokenizer: step 0 is"),
    "added token": (
        lambda form: form.update(added_tokens=form["added_tokens"][:-1]),
        "the added tokens: '<think>' is in the first alone",
    ),
    "special": (
        lambda form: form["added_tokens"][-1].update(special=True),
        "the added tokens: '<think>' is .*'special': False.*True",
    ),
    "whole words": (lambda form: form["added_tokens"][-1].update(single_word=True), "the added tokens: '<think>'"),
    "template": (template, r"the tokens that the template puts before a text are \[\] and \[0\]"),
}


@pytest.mark.parametrize("case", OTHER)
def test_changed_in_one_place_it_is_told_apart_by_that(plain, tmp_path, case):
    change, told = OTHER[case]
    other = changed(plain, tmp_path / "other", change)
    assert re.match(told, difference(plain, other)), difference(plain, other)
    assert difference(other, plain)


@pytest.mark.parametrize("key", ["eos_token", "pad_token"])
def test_roles_that_both_name_are_compared(plain, tmp_path, key):
    other = changed(plain, tmp_path / "other", lambda form: None, SETTINGS | {key: "<think>"})
    assert difference(plain, other).startswith(f"{key} is '") and difference(plain, other).endswith("' and '<think>'")
    (other / "tokenizer_config.json").unlink()
    assert difference(plain, other) is None
    (other / "special_tokens_map.json").write_text(json.dumps({key: {"content": "<think>"}}))
    assert difference(plain, other).startswith(key)


def test_unigram_and_words(tmp_path):
    scored = {
        name: models.Unigram([("<unk>", 0.0), ("a", -1.0), ("b", score)], 0)
        for name, score in (("u", -2.0), ("v", -2.5))
    }
    for name, model in {**scored, "w": models.WordLevel({"<unk>": 0, "a": 1, "b": 2}, "<unk>")}.items():
        (tmp_path / name).mkdir()
        Tokenizer(model).save(str(tmp_path / name / "tokenizer.json"))
    assert difference(tmp_path / "u", tmp_path / "v") == "the vocabulary: 'b' is (2, -2.0) and (2, -2.5)"
    assert difference(tmp_path / "u", tmp_path / "w") == "model.type is Unigram and WordLevel"


def test_what_cannot_be_read(plain, tmp_path):
    with pytest.raises(UserError, match=r"tokenizer.json does not exist"):
        difference(plain, tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"another": 1}')
    assert "one of them cannot be read" in difference(plain, tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match=r"tokenizer.json is not valid JSON"):
        difference(plain, tmp_path)


def test_a_vocabulary_of_150_000_is_compared_in_little_processor_time(tmp_path):
    """Half a second on the machine it was written on; the bar is for what grows otherwise than with the vocabulary."""
    letters = [chr(0x4E00 + number) for number in range(400)]
    pairs = [(first, other) for first in letters for other in letters][:150_000]
    vocab = {token: number for number, token in enumerate([*letters, *("".join(pair) for pair in pairs)])}
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        tokenizer = Tokenizer(models.BPE(vocab, pairs))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s+"), "isolated")
        tokenizer.post_processor = processors.ByteLevel()
        tokenizer.save(str(tmp_path / name / "tokenizer.json"), pretty=name == "one")
    begun = time.process_time()
    assert difference(tmp_path / "one", tmp_path / "other") is None
    assert time.process_time() - begun < 20
