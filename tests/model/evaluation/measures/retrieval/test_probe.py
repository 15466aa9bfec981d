"""The probe of one checkpoint: it tells encoders apart, depends on its seed alone, and leaves the checkpoint as it
was."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from common.errors import UserError
from common.manifest import digests
from common.retrieval.load import load_retrieval
from conf.schema import ParallelConfig, ProbeConfig
from model.evaluation.measures.retrieval.prepared import prepare, settings_digest
from model.evaluation.measures.retrieval.probe import ProbeResult, probe_checkpoint
from model.megatron.startup import start

CONFIG = ProbeConfig(beside=["last", "emb", "cls"], steps=20, batch=64, pairs=250)


@pytest.fixture
def probe(tmp_path, retrieval_folder, make_checkpoint, tokenizer_folder):
    """``probe(model, config)``: through a checkpoint and back."""

    def run(model, config: ProbeConfig = CONFIG, problem=lambda encoder: None, precision: str = "auto") -> ProbeResult:
        folder = make_checkpoint(tmp_path / "run", 1, model)
        start(ParallelConfig(threads=1, precision=precision), 99)
        prepared = prepare(load_retrieval(retrieval_folder), folder / "hf" / "tokenizer.json", config)
        before = digests(folder)
        found = probe_checkpoint(folder / "hf", prepared, config, problem)
        assert digests(folder) == before
        return found

    return run


def ndcg(found: ProbeResult, readout: str = "cat") -> float:
    return found.metrics()[readout]["test"]["ndcg@10"]


def test_encoders_are_told_apart(probe, encoders):
    planted, random, collapsed = (probe(make(1)) for make in (encoders.planted, encoders.random, encoders.collapsed))
    assert ndcg(planted) > 0.9 and max(ndcg(random), ndcg(collapsed)) < 0.1
    assert ndcg(planted, "emb") > ndcg(random, "emb") + 0.3 and ndcg(planted, "last") > ndcg(random, "last") + 0.3
    assert set(planted.scores) == {"cat", "last", "emb", "cls"} and planted.scores["cat"]["test"]["map@100"].shape == (
        150,
    )
    assert set(planted.seconds) == {"load", "encode_train", "encode_eval", "heads"}


def test_equal_for_equal_seeds_whatever_ran_before(probe, encoders):
    model = encoders.random(5)
    first = probe(model)
    torch.rand(7), np.random.rand(7)
    again, other = probe(model), probe(model, replace(CONFIG, seed=1))
    for split in ("dev", "test"):
        assert np.array_equal(first.scores["cat"][split]["ndcg@10"], again.scores["cat"][split]["ndcg@10"])
    assert not np.array_equal(first.scores["cat"]["test"]["ndcg@10"], other.scores["cat"]["test"]["ndcg@10"])


def test_readouts_beside_do_not_change_the_main_one(probe, encoders):
    model = encoders.random(6)
    alone = probe(model, replace(CONFIG, beside=[]))
    assert np.array_equal(alone.scores["cat"]["test"]["ndcg@10"], probe(model).scores["cat"]["test"]["ndcg@10"])
    last = probe(model, replace(CONFIG, readout="last", beside=[]))
    assert np.array_equal(last.scores["last"]["test"]["ndcg@10"], probe(model).scores["last"]["test"]["ndcg@10"])


def test_full_depth_learns_more_than_the_head(probe, encoders):
    """With the encoder trained too, a random one learns which words belong together."""
    model = encoders.random(7)
    before = model.embedding.word_embeddings.weight.clone()
    settings = replace(CONFIG, readout="last", beside=["emb"], steps=60, lr=1e-2)
    head, full = probe(model, settings), probe(model, replace(settings, depth="full"))
    assert ndcg(full, "last") > ndcg(head, "last") + 0.1
    assert np.array_equal(full.scores["emb"]["test"]["ndcg@10"], head.scores["emb"]["test"]["ndcg@10"])
    assert "tune" in full.seconds and torch.equal(before, model.embedding.word_embeddings.weight)


def test_bf16_measures_what_fp32_does(probe, encoders):
    planted = encoders.planted(1)
    assert ndcg(probe(planted, precision="bf16")) == pytest.approx(ndcg(probe(planted, precision="fp32")), abs=0.02)
    tuned = probe(planted, replace(CONFIG, depth="full", readout="last", beside=[], steps=2), precision="bf16")
    assert ndcg(tuned, "last") > 0.3


def test_whitening_and_steps_matter(probe, encoders):
    model = encoders.random(8)
    plain = probe(model, replace(CONFIG, whiten=False, steps=0))
    assert not np.array_equal(plain.scores["cat"]["test"]["ndcg@10"], probe(model).scores["cat"]["test"]["ndcg@10"])


def test_max_queries_takes_a_fixed_part(probe, encoders):
    model = encoders.random(9)
    few, all_of_them = probe(model, replace(CONFIG, max_queries=40)), probe(model)
    assert few.scores["cat"]["test"]["ndcg@10"].shape == (40,) and few.scores["cat"]["dev"]["ndcg@10"].shape == (40,)
    assert set(few.scores["cat"]["test"]["mrr@10"]) <= set(all_of_them.scores["cat"]["test"]["mrr@10"])
    again = probe(model, replace(CONFIG, max_queries=40))
    assert np.array_equal(few.scores["cat"]["test"]["map@100"], again.scores["cat"]["test"]["map@100"])


def test_bad_settings_and_saves(probe, encoders):
    with pytest.raises(UserError, match=r"probe.query_tokens=2 leaves no room"):
        probe(encoders.random(1), replace(CONFIG, query_tokens=2))
    with pytest.raises(UserError, match=r"probe.pairs and probe.batch must be 2 or more"):
        probe(encoders.random(1), replace(CONFIG, batch=1))
    with pytest.raises(UserError, match=r"reads texts of 96 tokens, the encoder in .* at most 64"):
        probe(encoders.random(1, replace(encoders.shape, max_positions=64)), replace(CONFIG, document_tokens=96))
    with pytest.raises(UserError, match=r"has 100 embeddings for a tokenizer of 125 tokens"):
        probe(encoders.random(1, replace(encoders.shape, vocab_size=100)))
    with pytest.raises(UserError, match=r"has another shape: its width is wrong"):
        probe(encoders.random(1), problem=lambda encoder: "its width is wrong")
    broken = encoders.random(1)
    broken.embedding.word_embeddings.weight.data[7] = float("nan")
    with pytest.raises(UserError, match=r"the probe diverged at probe.lr=1e\+30"):
        probe(encoders.random(1), replace(CONFIG, depth="full", lr=1e30))
    with pytest.raises(UserError, match=r"has values in embedding.word_embeddings.weight that are not finite"):
        probe(broken)


def test_settings_digest_follows_what_matters():
    assert settings_digest(CONFIG) == settings_digest(replace(CONFIG, tokens_per_batch=1))
    assert settings_digest(CONFIG) != settings_digest(replace(CONFIG, lr=1e-3))
