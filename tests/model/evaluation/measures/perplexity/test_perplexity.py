"""Perplexity against transformers on the same export, what is counted, and which inputs are refused."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zstandard

from common.errors import UserError
from model.evaluation.measures.perplexity.forgetting import change, forgetting, text_perplexities
from model.evaluation.measures.perplexity.likelihood import (
    likelihoods,
    negative_log_likelihood,
    pieces,
    token_losses,
    tokenise,
)
from model.evaluation.measures.perplexity.result import Perplexity
from model.evaluation.measures.perplexity.texts import digest_texts, read_texts
from model.evaluation.statistics.bootstrap import Interval
from model.hf.folder import load_net
from model.training.checkpoints.checkpoints import list_checkpoints
from tests.model.evaluation import decoder_runs as runs


@pytest.fixture(scope="module")
def hf_folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("one")
    run = runs.make_run(root / "run", runs.write_tokenizer(root / "tokenizer"), {10: 1})
    return list_checkpoints(run)[0].folder / "hf"


def test_likelihoods_are_those_of_transformers(hf_folder, tmp_path):
    """Document by document, longer and shorter than the context, in packs of several and of one."""
    texts = runs.write_texts(tmp_path / "law.jsonl", seed=3)
    theirs = np.array(runs.their_likelihoods(hf_folder, texts, runs.CONTEXT))
    documents = tokenise(read_texts(tmp_path / "law.jsonl", "evaluation.domain.law"), hf_folder / "tokenizer.json")
    assert len(documents) == len(theirs) >= 10 and max(theirs[:, 1]) > 2 * runs.CONTEXT
    np.testing.assert_array_equal(np.stack([documents.tokens, documents.characters, documents.bytes], 1), theirs[:, 1:])
    assert (documents.bytes > documents.characters).any()
    for tokens_per_batch in (1, 100, 5000):
        found = likelihoods(hf_folder, {"law": documents}, runs.CONTEXT, tokens_per_batch)["law"]
        np.testing.assert_allclose(found, theirs[:, 0], rtol=2e-5)
    assert theirs[:, 0].sum() / theirs[:, 1].sum() > np.log(300)  # far from uniform, so that a shifted label would show


def test_every_token_but_the_first_is_predicted_once(hf_folder):
    ids = np.arange(57)
    for context in (2, 8, 57, 100):
        cut = pieces(ids, context)
        assert [token for piece in cut for token in piece[1:]] == list(range(1, 57)) and max(map(len, cut)) <= context
    config, net = load_net(hf_folder)
    documents = tokenise(["mahkeme karar verdi çünkü sözleşme geçersiz İstanbul"], hf_folder / "tokenizer.json")
    whole, cut = (negative_log_likelihood(net.eval(), documents, context, 1000)[0] for context in (64, 5))
    assert abs(whole - cut) > 1e-3 * whole and config.max_positions == 64, "less context predicts otherwise"


def test_a_special_token_before_the_text_predicts_its_first_token(tmp_path):
    texts = ["çünkü", "mahkeme karar"]
    plain, after = (
        tokenise(texts, runs.write_tokenizer(tmp_path / str(bos), bos) / "tokenizer.json") for bos in (False, True)
    )
    assert [ids[0] for ids in after.ids] == [0, 0] and (after.tokens == plain.tokens + 1).all()
    assert (
        list(after.characters) == [5, 13]
        and list(after.bytes) == [8, 13]
        and (plain.characters < after.characters).all()
    )


def test_a_head_in_chunks_is_the_whole_head(monkeypatch):
    import torch

    draw = torch.Generator().manual_seed(0)
    hidden, weight, bias = (torch.randn(shape, generator=draw) for shape in ((7, 5), (12, 5), (12,)))
    labels = torch.tensor([0, 9, 3, 3, 1, 8, 2])
    whole = torch.nn.functional.cross_entropy((hidden @ weight.T + bias)[:, :10], labels, reduction="none")
    for at_once in (1, 20, 1 << 20):
        monkeypatch.setattr("model.evaluation.measures.perplexity.likelihood.LOGITS_AT_ONCE", at_once)
        torch.testing.assert_close(token_losses(hidden, weight, bias, labels, 10), whole)


def test_text_is_read_from_every_format(tmp_path):
    import pyarrow
    import pyarrow.parquet

    lines = b'{"text": "one"}\n\n{"text": " "}\n{"text": "\xc3\xa7"}\n'
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "c.jsonl.zst").write_bytes(zstandard.compress(lines) + zstandard.compress(lines))
    (tmp_path / "d.txt").write_text("whole\nfile")
    (tmp_path / "notes.md").write_text("no")
    pyarrow.parquet.write_table(pyarrow.table({"text": ["p", None]}), tmp_path / "e.parquet")
    assert read_texts(tmp_path, "key") == ["one", "ç"] * 4 + ["whole\nfile", "p"]
    before = digest_texts(tmp_path, "key")
    (tmp_path / "notes.md").write_text("still no")
    assert digest_texts(tmp_path, "key") == before
    (tmp_path / "d.txt").write_text("other")
    assert digest_texts(tmp_path, "key") != before


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{"text": 1}\n', r"a.jsonl line 1 has no string in the field 'text'; mend it$"),
        ("a.jsonl", b'{"text": "x"}\n{"te\n', r"a.jsonl line 2 is not valid JSON"),
        ("a.txt", b"\xff\xfe", r"a.txt line 1 is not UTF-8; mend it$"),
        ("a.txt", b"  \n", r"evaluation.domain.law: .*a.txt holds no document"),
        ("a.docx", b"x", r"evaluation.domain.law: .*a.docx is no text that can be read here"),
        ("", b"", r"evaluation.domain.law: .* does not exist"),
    ],
)
def test_text_that_cannot_be_read_is_named(tmp_path, name, content, told):
    if name:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=told):
        read_texts(tmp_path / (name or "nothing"), "evaluation.domain.law")


def test_nets_that_do_not_fit_are_refused(hf_folder, tmp_path):
    documents = {"law": tokenise(["mahkeme karar verdi"], hf_folder / "tokenizer.json")}
    with pytest.raises(UserError, match="evaluation.context=65 exceeds the 64 positions"):
        likelihoods(hf_folder, documents, 65, 100)
    documents["law"].ids[0][0] = 300
    with pytest.raises(UserError, match="has 300 tokens and its tokenizer gives id 300"):
        likelihoods(hf_folder, documents, 8, 100)


def written(folder: Path, step: int, nll: dict[str, np.ndarray], count: np.ndarray) -> Perplexity:
    """A result as if it had been measured; the texts of the domain begin with d."""
    arrays = {f"{name}/{unit}": values for name, one in nll.items() for unit, values in
              {"nll": one, "token": count, "character": 4 * count, "byte": 5 * count}.items()}  # fmt: skip
    np.savez(folder / f"step_{step}.npz", **arrays)
    totals = {
        name: {part: arrays[f"{name}/{part}"].sum().item() for part in ("nll", "token", "character", "byte")}
        for name in nll
    }
    texts = {name: {"role": "domain" if name[0] == "d" else "general", **total} for name, total in totals.items()}
    return Perplexity({"step": step, "tokens": step, "texts": texts}, folder / f"step_{step}.json")


def test_intervals_and_changes(tmp_path):
    rng = np.random.default_rng(0)
    count = rng.integers(20, 400, 200)
    noise = rng.normal(0, 0.8, 200)  # of documents: shared by both checkpoints, so that it is no part of the change
    first = written(tmp_path, 0, {"d1": count * (3 + noise), "d2": count * 3.0, "g": count * (2 + noise)}, count)
    last = written(tmp_path, 9, {"d1": count * (2.6 + noise), "d2": count * 2.8, "g": count * (2.1 + noise)}, count)
    assert last.value("d2", "token") == pytest.approx(np.exp(2.8)) and last.value("d2", "character") == pytest.approx(
        np.exp(0.7)
    )
    assert last.value("d2", "byte") == pytest.approx(2.8 / 5 / np.log(2))
    interval = last.interval("g", "token", 500)
    draws = np.random.default_rng(1).integers(200, size=(2000, 200))
    nll = last.per_document("g")["nll"]
    bounds = np.percentile(np.exp(nll[draws].sum(1) / count[draws].sum(1)), [2.5, 97.5])
    assert interval.mean == pytest.approx(last.value("g", "token"))
    assert (interval.low, interval.high) == pytest.approx(tuple(bounds), rel=0.02)
    one = change(last, first, ["d1"], 500)
    assert one.mean == pytest.approx(100 * np.expm1(-0.4 / 4)) and one.high - one.low < 1e-6, (
        "documents alike in both are no noise"
    )
    (nothing, moved) = forgetting([first, last], 500)
    assert nothing.domain == nothing.general == Interval(0, 0, 0)
    assert moved.domain.mean == pytest.approx(100 * np.expm1(-0.3 / 4)) and moved.general.mean == pytest.approx(
        100 * np.expm1(0.1 / 4)
    )
    rows = text_perplexities([first, last], 0)
    assert [(row.text, row.step) for row in rows] == [(name, step) for name in ("d1", "d2", "g") for step in (0, 9)]
    assert (
        rows[0].change is None
        and rows[1].intervals["token"] is None
        and rows[5].change.mean == pytest.approx(moved.general.mean)
    )
    assert forgetting([], 10) == [] and text_perplexities([], 10) == []
    shutil.rmtree(tmp_path)


def test_json_lines_are_the_same_as_they_are_in_memory(tmp_path):
    texts = runs.write_texts(tmp_path / "set" / "law.jsonl", seed=1)
    assert read_texts(tmp_path / "set", "key") == [text for text in texts if text.strip()]
    assert json.loads((tmp_path / "set" / "law.jsonl").read_text().splitlines()[0]) == {"text": "ç"}
