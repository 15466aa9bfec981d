"""What is prepared, measured and traced are the same tokens, of text that spells special tokens too."""

import json
from pathlib import Path

import numpy as np
import pytest

from conf.schema import Config
from conf.schema.data import TokenizerConfig
from data_prep.tokenizer.report import measure
from data_prep.tokenizer.train import save, train
from data_prep.tokens.indexed import read_index
from jobs import prepare
from jobs.views.trace import trace
from model.evaluation.encode import Tokeniser
from model.evaluation.likelihood import tokenise

PLAIN = "Mahkeme karar verdi, dava kabul edildi. "
TEXTS = [PLAIN, f"{PLAIN}Sonunda <|endoftext|> yazar ve <|im_end|> ile biter. {PLAIN}", "[CLS] [SEP][MASK] <|endoftext|>", f"[SEP]{PLAIN}"]
KINDS = {
    "encoder": {},
    "decoder": {"mlm_tokens": False, "chat_tokens": True},
    "both": {"chat_tokens": True},
    "lowercase": {"mlm_tokens": False, "chat_tokens": True, "lowercase": True},
}


@pytest.fixture(params=[(kind, special) for kind in KINDS for special in (True, False)], ids=lambda pair: f"{pair[0]}-{pair[1]}")
def prepared(request, tmp_path) -> Config:
    kind, special = request.param
    learnt = TokenizerConfig(vocab_size=290, **KINDS[kind])
    (tmp_path / "tokenizer").mkdir()
    save(train(TEXTS * 5, learnt), learnt, tmp_path / "tokenizer")
    (tmp_path / "text.jsonl").write_text("".join(json.dumps({"id": f"s{n}", "text": text}) + "\n" for n, text in enumerate(TEXTS)))
    config = Config()
    config.name, config.cluster.workers, config.prepare.add_special_tokens = "spelled", 1, special
    config.data.tokenizer, config.data.tokens = str(tmp_path / "tokenizer"), str(tmp_path / "tokens")
    config.data.inputs = [str(tmp_path / "text.jsonl")]
    prepare.run(config)
    return config


def written(config: Config) -> list[list[int]]:
    """Ids of every document in tokens.bin."""
    index = read_index(Path(config.data.tokens, "tokens.idx"))
    return [ids.tolist() for ids in np.split(np.fromfile(Path(config.data.tokens, "tokens.bin"), index.dtype), index.lengths.cumsum()[:-1])]


def test_every_document_is_what_was_prepared(prepared):
    file = Path(prepared.data.tokenizer, "tokenizer.json")
    wrapped, ended = '"[CLS]"' in file.read_text(), prepared.prepare.add_special_tokens
    before, after = ([2], [3]) if wrapped else ([], [])
    end = after or [0]
    inner = [ids[len(before) : -len(end)] if ended else ids for ids in written(prepared)]
    specials = {entry["id"] for entry in json.loads(file.read_text())["added_tokens"]}
    assert not specials & {token for ids in inner for token in ids} and all(inner)
    assert not ended or all([*before, *middle, *end] == ids for middle, ids in zip(inner, written(prepared), strict=True))

    measured = tokenise(TEXTS, file)
    assert [ids.tolist() for ids in measured.ids] == [[*before, *ids] for ids in inner]
    assert measured.tokens.tolist() == [len(ids) - (not before) for ids in inner]
    assert not before or measured.characters.tolist() == [len(text) for text in TEXTS]
    encoded = Tokeniser(file)(TEXTS, 1000)
    assert [ids.tolist() for ids in encoded.ids] == [[*before, *ids, *after] for ids in inner]

    for position in range(len(TEXTS)):
        prepared.status.document = str(position)
        found = dict(trace(prepared, prepared.data))
        assert found["check"] == "the text gives just these tokens", position
        assert f"({len(written(prepared)[position]):,})" in found["tokens"]


def test_other_text_is_still_told_apart(prepared):
    file = Path(prepared.data.inputs[0])
    file.write_text(file.read_text().replace("karar", "kadar"))
    prepared.status.document = "0"
    found = dict(trace(prepared, prepared.data))
    assert "gives other tokens" in found["check"] and "has changed" in found["warning"]


def test_the_report_of_a_new_tokenizer_counts_what_is_prepared():
    learnt = TokenizerConfig(vocab_size=290, **KINDS["decoder"])
    tokenizer = train(TEXTS * 5, learnt)
    assert measure(tokenizer, ["<|endoftext|>"])["tokens"] > 1
    before = tokenizer.to_str()
    tokenizer.encode_special_tokens = False
    assert measure(tokenizer, ["<|endoftext|>"])["tokens"] == 1 and tokenizer.to_str() == before, "no byte of tokenizer.json depends on it"
