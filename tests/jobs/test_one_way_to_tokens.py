"""What is prepared, measured and traced are the same tokens, of text that spells special tokens too."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from common.errors import UserError
from conf.schema import Config, PhaseConfig
from conf.schema.data import TokenizerConfig
from data_prep.tokenizer.report import measure
from data_prep.tokenizer.train import save, train
from data_prep.tokens.indexed import read_index
from jobs import mix, prepare
from jobs import train as train_job
from jobs.views.trace import trace
from model.evaluation.measures.perplexity.likelihood import tokenise
from model.evaluation.measures.retrieval.encode import Tokeniser

PLAIN = "Mahkeme karar verdi, dava kabul edildi. "
TEXTS = [
    PLAIN,
    f"{PLAIN}Sonunda <|endoftext|> yazar ve <|im_end|> ile biter. {PLAIN}",
    "[CLS] [SEP][MASK] <|endoftext|>",
    f"[SEP]{PLAIN}",
]
KINDS = {
    "encoder": {},
    "decoder": {"mlm_tokens": False, "chat_tokens": True},
    "both": {"chat_tokens": True},
    "lowercase": {"mlm_tokens": False, "chat_tokens": True, "lowercase": True},
}


@pytest.fixture(
    params=[(kind, special) for kind in KINDS for special in (True, False)], ids=lambda pair: f"{pair[0]}-{pair[1]}"
)
def prepared(request, tmp_path) -> Config:
    kind, special = request.param
    learnt = TokenizerConfig(vocab_size=290, **KINDS[kind])
    (tmp_path / "tokenizer").mkdir()
    save(train(TEXTS * 5, learnt), learnt, tmp_path / "tokenizer")
    (tmp_path / "text.jsonl").write_text(
        "".join(json.dumps({"id": f"s{n}", "text": text}) + "\n" for n, text in enumerate(TEXTS))
    )
    config = Config()
    config.name, config.cluster.workers, config.prepare.add_special_tokens = "spelled", 1, special
    config.data.tokenizer, config.data.tokens = str(tmp_path / "tokenizer"), str(tmp_path / "tokens")
    config.data.inputs = [str(tmp_path / "text.jsonl")]
    prepare.run(config)
    return config


def written(config: Config) -> list[list[int]]:
    """Ids of every document in tokens.bin."""
    index = read_index(Path(config.data.tokens, "tokens.idx"))
    return [
        ids.tolist()
        for ids in np.split(
            np.fromfile(Path(config.data.tokens, "tokens.bin"), index.dtype), index.lengths.cumsum()[:-1]
        )
    ]


def test_every_document_is_what_was_prepared(prepared):
    file = Path(prepared.data.tokenizer, "tokenizer.json")
    wrapped, ended = '"[CLS]"' in file.read_text(), prepared.prepare.add_special_tokens
    before, after = ([2], [3]) if wrapped else ([], [])
    end = after or [0]
    inner = [ids[len(before) : -len(end)] if ended else ids for ids in written(prepared)]
    specials = {entry["id"] for entry in json.loads(file.read_text())["added_tokens"]}
    assert not specials & {token for ids in inner for token in ids} and all(inner)
    assert not ended or all(
        [*before, *middle, *end] == ids for middle, ids in zip(inner, written(prepared), strict=True)
    )

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
    assert measure(tokenizer, ["<|endoftext|>"])["tokens"] == 1 and tokenizer.to_str() == before, (
        "no byte of tokenizer.json depends on it"
    )


@pytest.fixture
def two_ends(tmp_path) -> Callable[[str, str], Config]:
    """Makes the configuration of a job that reads a tokenizer (one, where only the names of its special tokens differ)
    into a folder."""
    learnt = TokenizerConfig(vocab_size=290, **KINDS["decoder"])
    (tmp_path / "text.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))

    def config(eos: str, tokens: str) -> Config:
        folder = tmp_path / eos.strip("<|>")
        if not folder.is_dir():
            folder.mkdir()
            save(train(TEXTS * 5, learnt), learnt, folder)
            settings = json.loads((folder / "tokenizer_config.json").read_text())
            (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"eos_token": eos}))
        made = Config()
        made.cluster.workers, made.data.inputs, made.run_dir = 1, [str(tmp_path / "text.jsonl")], str(tmp_path / "run")
        made.data.tokenizer, made.data.tokens, made.mixture.output = (
            str(folder),
            str(tmp_path / tokens),
            str(tmp_path / "mixture"),
        )
        made.train.steps, made.train.seq_length, made.model.vocab_size = 1, 16, 512
        return made

    return config


BASE, CHAT = "<|endoftext|>", "<|im_end|>"


def test_documents_that_end_with_another_token_are_not_taken_for_these(two_ends):
    prepare.run(two_ends(BASE, "base"))
    with pytest.raises(UserError, match=r"begun with end_of_text=<\|endoftext\|>, now end_of_text=<\|im_end\|>"):
        prepare.run(two_ends(CHAT, "base"))
    prepare.run(two_ends(CHAT, "chat"))
    with pytest.raises(
        UserError, match=r"documents of .*/chat end with '<\|im_end\|>', and the eos_token of .* is '<\|endoftext\|>'"
    ):
        train_job.run(two_ends(BASE, "chat"))
    mixed = two_ends(BASE, "none")
    mixed.mixture.sources = {name: str(Path(mixed.data.tokens).with_name(name)) for name in ("base", "chat")}
    mixed.phases = {"one": PhaseConfig(tokens=200, weights={"base": 0.5, "chat": 0.5})}
    with pytest.raises(
        UserError, match=r"mixture.sources.chat: documents of .*/chat end with '<\|im_end\|>', those of .*/base"
    ):
        mix.run(mixed)
    mixed.mixture.sources.pop("base")
    mixed.phases["one"].weights.pop("base")
    mix.run(mixed)
    with pytest.raises(UserError, match=r"documents of .*/mixture/one end with '<\|im_end\|>'"):
        train_job.run(two_ends(BASE, "mixture/one"))


def test_a_folder_that_does_not_tell_its_end_of_text_is_taken_as_it_is(two_ends, capsys):
    config = two_ends(BASE, "base")
    prepare.run(config)
    for name in ("settings.json", "manifest.json"):
        file = Path(config.data.tokens, name)
        known = json.loads(file.read_text())
        removed = [part.pop("end_of_text", None) for part in (known, known.get("settings", {}))]
        assert any(removed)
        file.write_text(json.dumps(known))
    prepare.run(config)
    assert "is there" in capsys.readouterr().err


def test_the_end_of_text_is_read_where_older_tokenizers_name_it(two_ends):
    config = two_ends(CHAT, "chat")
    folder = Path(config.data.tokenizer)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": {"content": settings.pop("eos_token")}}))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    prepare.run(config)
    end = Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id(CHAT)
    assert [ids[-1] for ids in written(config)] == [end] * len(TEXTS)
