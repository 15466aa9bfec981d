import hashlib
import os
import subprocess
import sys

import pytest
import regex

from common.errors import UserError
from conf.schema.data import TokenizerConfig
from data_prep.tokenizer.patterns import PATTERNS
from data_prep.tokenizer.train import check, save, train

NASTY = [
    "don't I'LL 'ſ",
    "12345 ١٢٣٤٥ ½²",
    "a  b\n\n \n c\r\n\td ",
    "  x!!\n\n?? ",
    "e\u0301ğ İI ﬁ",
    "👨‍👩‍👧 \u00a0\u2003z\u0085",
    "foo_bar/baz",
    " \n",
    "",
]


def load(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def test_auto_tokenizer_loads_it_with_template_and_special_tokens(small_tokenizer):
    loaded = load(small_tokenizer)
    assert len(loaded) == 500
    named = (loaded.pad_token, loaded.unk_token, loaded.cls_token, loaded.sep_token, loaded.mask_token)
    assert named == ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") and loaded.convert_tokens_to_ids(named) == [
        0,
        1,
        2,
        3,
        4,
    ]
    encoded = loaded("kale [MASK] lar", "the")
    assert set(encoded) == {"input_ids", "attention_mask"}
    ids = encoded["input_ids"]
    assert ids[0] == 2 and ids.count(3) == 2 and ids[-1] == 3 and ids.count(4) == 1
    assert loaded.convert_ids_to_tokens(ids)[ids.index(4) - 1] != "Ġ"  # the mask takes the space before it
    assert loaded.decode(loaded("kaleri ın şe")["input_ids"], skip_special_tokens=True) == "kaleri ın şe"


@pytest.mark.parametrize(
    "settings", [{"chat_tokens": True}, {"chat_tokens": True, "mlm_tokens": False}, {"mlm_tokens": False}]
)
def test_special_tokens_come_first_and_the_size_is_exact(texts, tmp_path, settings):
    config = TokenizerConfig(vocab_size=400, **settings)
    tokenizer = train(texts, config)
    save(tokenizer, config, tmp_path)
    loaded = load(tmp_path)
    assert len(loaded) == len(tokenizer.get_vocab()) == 400 and max(tokenizer.get_vocab().values()) == 399
    mlm, chat = config.mlm_tokens, config.chat_tokens
    expected = (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] if mlm else []) + (
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] if chat else []
    )
    assert [tokenizer.id_to_token(i) for i in range(len(expected))] == expected
    assert loaded.eos_token == ("<|endoftext|>" if chat else None)
    assert loaded.pad_token == ("[PAD]" if mlm else "<|endoftext|>" if chat else None)
    if chat:
        ids = loaded("<|im_start|>ka<|im_end|>", add_special_tokens=False)["input_ids"]
        assert ids[0] == expected.index("<|im_start|>") and ids[-1] == expected.index("<|im_end|>")


def test_normalisation(texts):
    plain, lower = (
        train(texts, TokenizerConfig(vocab_size=300)),
        train(texts, TokenizerConfig(vocab_size=300, lowercase=True)),
    )
    raw = train(texts, TokenizerConfig(vocab_size=300, nfc=False))
    assert plain.encode("e\u0301").ids == plain.encode("é").ids and raw.encode("e\u0301").ids != raw.encode("é").ids
    assert (
        lower.encode("KA\ufb01Å").ids == lower.encode("kafia\u030a").ids
        and plain.encode("KA").ids != plain.encode("ka").ids
    )
    assert lower.normalizer.normalize_str("İI") == "i\u0307i"  # as documented: nothing is known of Turkish


def test_too_small_is_named(texts):
    with pytest.raises(UserError, match="tokenizer.vocab_size=260 is too small.*take 261"):
        check(TokenizerConfig(vocab_size=260))
    with pytest.raises(UserError, match=r"gives only \d+ tokens of tokenizer.vocab_size=32000"):
        train(texts[:5], TokenizerConfig())


def test_another_process_learns_the_same_bytes(texts, tmp_path):
    (tmp_path / "t.txt").write_text("\0".join(texts), "utf-8", newline="")
    script = (
        "import sys, hashlib; from data_prep.tokenizer.train import train; from conf.schema.data import"
        " TokenizerConfig\ntexts = open(sys.argv[1], encoding='utf-8',"
        " newline='').read().split(chr(0))\nprint(hashlib.sha256(train(texts,"
        " TokenizerConfig(vocab_size=500)).to_str().encode()).hexdigest())"
    )
    environment = os.environ | {"RAYON_NUM_THREADS": "3", "PYTHONHASHSEED": "7", "PYTHONPATH": os.getcwd()}
    process = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "t.txt"], env=environment, capture_output=True, text=True, check=True
    )
    here = train(texts, TokenizerConfig(vocab_size=500)).to_str()
    assert process.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()


def test_the_patterns_are_the_published_ones(monkeypatch):
    from tiktoken_ext import openai_public
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    assert PATTERNS["qwen"] == PRETOKENIZE_REGEX
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {})
    theirs = openai_public.cl100k_base()["pat_str"]  # written otherwise since, to the same effect
    for text in NASTY:
        assert regex.findall(PATTERNS["gpt4"], text) == regex.findall(theirs, text)
    assert PATTERNS["llama3"] == PATTERNS["gpt4"]
