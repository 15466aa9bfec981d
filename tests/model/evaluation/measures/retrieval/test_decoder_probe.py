"""The probe of a decoder: its states are those of transformers' class under a mask that hides nothing, and it tells
decoders apart."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from common.errors import UserError
from common.retrieval.load import load_retrieval
from conf.schema import DecoderConfig, ParallelConfig, ProbeConfig
from model.evaluation.measures.retrieval.encode import Tokeniser, encode, hidden
from model.evaluation.measures.retrieval.metrics import DEPTH, evaluate
from model.evaluation.measures.retrieval.prepared import Prepared, prepare
from model.evaluation.measures.retrieval.probe import ProbeResult, probe_checkpoint
from model.evaluation.measures.retrieval.search import search
from model.hf.folder import export_net
from model.megatron.startup import start
from model.nets.decoder import Decoder, build_decoder

CONCEPTS = 60
END, BEGIN = "<|endoftext|>", "<|begin|>"
VOCABULARY = [END, BEGIN, *(f"{side}{concept}" for side in "qd" for concept in range(CONCEPTS))]
SHAPE = DecoderConfig(
    architecture="qwen3", vocab_size=len(VOCABULARY), num_layers=2, hidden_size=32, num_heads=4, num_kv_heads=2,
    head_width=16, ffn_size=48,
    max_positions=128,
)  # fmt: skip
CONFIG = ProbeConfig(readout="last", beside=["emb", "cat"], steps=20, batch=64, pairs=250)
PLAIN = replace(CONFIG, beside=[], steps=0, whiten=False, max_queries=50)


def tokenizer(folder: Path, begins: bool) -> Path:
    """A decoder's tokenizer of whole words; ``begins``: its template puts a token before a text."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, unk_token=END))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens([END, BEGIN])
    if begins:
        made.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, 1)])
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END})
    )
    return folder


def decoder(seed: int, shape: DecoderConfig = SHAPE) -> Decoder:
    """Untrained, with weights so large that attention matters."""
    start(ParallelConfig(threads=1), seed)
    net = build_decoder(replace(shape, init_std=0.2))
    with torch.no_grad():
        net.embedding.word_embeddings.weight.mul_(5)
    return net


def planted(seed: int) -> Decoder:
    """Both words of a concept have one embedding."""
    net = decoder(seed)
    table = net.embedding.word_embeddings.weight.data
    table[2 + CONCEPTS : 2 + 2 * CONCEPTS] = table[2 : 2 + CONCEPTS]
    return net


@pytest.fixture
def prepared_for(tmp_path, retrieval_folder) -> Callable[..., Prepared]:
    """``prepared_for(config, begins=False)``."""

    def make(config: ProbeConfig, begins: bool = False) -> Prepared:
        file = tokenizer(tmp_path / f"tokenizer_{begins}", begins) / "tokenizer.json"
        return prepare(load_retrieval(retrieval_folder), file, config)

    return make


@pytest.fixture
def probe(tmp_path, prepared_for) -> Callable[..., ProbeResult]:
    """``probe(net, config)``: through a folder in Hugging Face's format and back."""

    def run(net: Decoder, config: ProbeConfig = CONFIG) -> ProbeResult:
        prepared = prepared_for(config)
        export_net(net, net.decoder_config, tmp_path / "hf", tmp_path / "tokenizer_False")
        start(ParallelConfig(threads=1), 99)
        return probe_checkpoint(tmp_path / "hf", prepared, config)

    return run


@torch.inference_mode()
def theirs(folder: Path, texts: list[np.ndarray], before: int = 0, causal: bool = False) -> dict[str, torch.Tensor]:
    """Means [N, H] of transformers' first and last hidden states over all tokens but ``before`` first ones, one text at
    a time."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
    means = []
    for ids in texts:
        mask = None if causal else torch.zeros(1, 1, len(ids), len(ids))
        found = model(torch.from_numpy(ids)[None], attention_mask=mask)
        means.append(
            (
                model.get_input_embeddings()(torch.from_numpy(ids))[before:].mean(0),
                found.last_hidden_state[0, before:].mean(0),
            )
        )
    return {part: torch.stack(values) for part, values in zip(("emb", "last"), zip(*means, strict=True), strict=True)}


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize(
    "shape",
    [SHAPE, replace(SHAPE, architecture="mistral", window=4), replace(SHAPE, architecture="phi", num_kv_heads=4)],
)
def test_means_are_those_of_transformers_without_a_causal_mask(tmp_path, shape, begins):
    net = decoder(1, shape).eval()
    export_net(net, shape, tmp_path / "hf", tokenizer(tmp_path / "tokenizer", begins))
    texts = [" ".join(np.random.default_rng(seed).choice(VOCABULARY[2:], 1 + 7 * seed)) for seed in range(9)]
    tokens = Tokeniser(tmp_path / "tokenizer" / "tokenizer.json")(texts, 40)
    net.causal = False
    found, wanted = encode(net, tokens, 100), theirs(tmp_path / "hf", tokens.ids, int(begins))
    for part in ("emb", "last"):
        assert ((found[part] - wanted[part]).norm(dim=1) / wanted[part].norm(dim=1)).max() < 1e-4
    causal = theirs(tmp_path / "hf", tokens.ids, int(begins), causal=True)["last"]
    assert ((found["last"] - causal).norm(dim=1) / causal.norm(dim=1))[-1] > 1e-2


def test_the_probe_searches_with_states_that_see_the_whole_text(probe, tmp_path, prepared_for):
    """Scores of every query are those of transformers' means, and the first token of a text knows the last one."""
    found = probe(decoder(2), PLAIN).scores["last"]["test"]["ndcg@10"]
    prepared = prepared_for(PLAIN)
    split = prepared.splits["test"]
    corpus = prepared.corpora[split.corpus]
    scores = {}
    for causal in (False, True):
        vectors = [
            torch.nn.functional.normalize(theirs(tmp_path / "hf", one.ids, 0, causal)["last"])
            for one in (split.queries, corpus.tokens)
        ]
        scores[causal] = evaluate(search(*vectors, corpus.order, DEPTH), split.judgements)["ndcg@10"]
    assert np.array_equal(found, scores[False]) and not np.array_equal(found, scores[True])


def test_the_mask_does_not_leak():
    net = decoder(3).eval()
    text = np.random.default_rng(0).integers(2, len(VOCABULARY), 30)
    changed = np.append(text[:-1], 2 + (text[-1] - 1) % 60)
    for causal in (True, False):
        net.causal = causal
        with torch.inference_mode():
            first, second = (hidden(net, [ids])["cls"] for ids in (text, changed))
        assert torch.equal(first, second) == causal


def test_decoders_are_told_apart(probe):
    right, random = probe(planted(1)), probe(decoder(1))
    for readout in ("emb", "last", "cat"):
        values = [found.metrics()[readout]["test"]["ndcg@10"] for found in (right, random)]
        assert values[0] > 0.6 and values[0] > values[1] + 0.4, (readout, values)


def test_full_depth_learns_more_than_the_head(probe):
    net = decoder(4)
    before = {name: value.clone() for name, value in net.named_parameters()}
    settings = replace(CONFIG, beside=["emb"], steps=40, lr=1e-2)
    head, full = probe(net, settings), probe(net, replace(settings, depth="full"))
    assert full.metrics()["last"]["test"]["ndcg@10"] > head.metrics()["last"]["test"]["ndcg@10"] + 0.1
    assert np.array_equal(full.scores["emb"]["test"]["ndcg@10"], head.scores["emb"]["test"]["ndcg@10"])
    assert all(torch.equal(before[name], value) for name, value in net.named_parameters())


@pytest.mark.parametrize("settings", [{"readout": "cls"}, {"beside": ["cls"]}])
def test_a_decoder_has_no_cls(probe, settings):
    with pytest.raises(
        UserError, match=r"the decoder in .* has no \[CLS\] to read; take cls out of probe.readout and probe.beside"
    ):
        probe(decoder(1), replace(CONFIG, **settings))


def test_what_does_not_fit(probe, prepared_for, make_checkpoint, encoders, tmp_path):
    with pytest.raises(UserError, match=r"reads texts of 96 tokens, the decoder in .* at most 64"):
        probe(decoder(1, replace(SHAPE, max_positions=64)))
    with pytest.raises(UserError, match=r"the decoder in .* has 121 embeddings for a tokenizer of 122 tokens"):
        probe(decoder(1, replace(SHAPE, vocab_size=121)))
    with pytest.raises(
        UserError, match=r"probe.query_tokens=1 leaves no room for text beside 1 special tokens; give 2 or more"
    ):
        prepared_for(replace(CONFIG, query_tokens=1), begins=True)
    folder = make_checkpoint(tmp_path / "run", 1, encoders.random(1))
    with pytest.raises(UserError, match=r"the tokenizer of the encoder in .* has no \[CLS\] and \[SEP\]"):
        probe_checkpoint(folder / "hf", prepared_for(CONFIG), CONFIG)
