"""The probe of one checkpoint: the same short contrastive step on the same pairs, then exact search, for every readout
asked for."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from common.errors import UserError
from conf.schema import DecoderConfig, ModelConfig, ProbeConfig
from model.evaluation.inference.batches import WRAPPED, Tokens
from model.evaluation.inference.threads import spread
from model.evaluation.measures.retrieval.contrastive import fine_tune, train_head
from model.evaluation.measures.retrieval.encode import encode
from model.evaluation.measures.retrieval.metrics import DEPTH, evaluate
from model.evaluation.measures.retrieval.prepared import Prepared
from model.evaluation.measures.retrieval.readout import Whitening, read
from model.evaluation.measures.retrieval.search import of_distinct, search
from model.evaluation.measures.retrieval.settings import readouts

if TYPE_CHECKING:
    from model.nets.build import Net

Scores = dict[str, dict[str, dict[str, np.ndarray]]]
"""Readout -> split -> metric -> value of each query [Q]."""


@dataclass
class ProbeResult:
    """What the probe of one checkpoint measured."""

    scores: Scores
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by part: load, encode_train, encode_eval, heads (with search); at depth full also tune and search."""

    def metrics(self) -> dict[str, dict[str, dict[str, float]]]:
        """Means over queries: readout -> split -> metric -> value."""
        return {
            name: {
                split: {metric: float(values.mean()) for metric, values in found.items()}
                for split, found in splits.items()
            }
            for name, splits in self.scores.items()
        }


Problem = Callable[[ModelConfig], str | None]
"""Says what is wrong with the shape of a net, None for nothing."""


def probe_checkpoint(
    hf_folder: str | Path, prepared: Prepared, config: ProbeConfig, problem: Problem = lambda shape: None
) -> ProbeResult:
    """Probe the encoder or decoder in ``hf_folder`` (the hf/ half of a checkpoint), which stays as it is.

    A decoder is read as an encoder is made of one (arXiv 2601.16018): without its head, every token seeing the whole
    text, the states of all its tokens averaged. Needs `model.megatron.startup.start`. Raises UserError for a
    ``problem`` with the shape of the net, for a shape that does not fit the texts, for a readout that a decoder does
    not have, and for weights that are not finite."""
    clock = Clock()
    model = _load(Path(hf_folder), prepared, config, problem, clock)
    beside = [name for name in readouts(config) if config.depth == "head" or name != config.readout]
    scores: Scores = {}
    if beside:
        scores = _probe_heads(_encode_all(model, prepared, config, clock), prepared, config, beside, clock)
    if config.depth == "full":
        scores[config.readout] = _probe_full(model, prepared, config, clock)
    return ProbeResult({name: scores[name] for name in readouts(config)}, clock.seconds)


def probe_budgets(
    hf_folder: str | Path, prepared: Prepared, configs: Sequence[ProbeConfig], problem: Problem = lambda shape: None
) -> list[ProbeResult]:
    """`probe_checkpoint` with settings that differ in ``steps`` and readouts alone.

    At depth head the texts are encoded once for all of them, and every result tells the time it would have taken alone;
    at depth full each is a whole probe."""
    if any(config.depth == "full" for config in configs):
        return [probe_checkpoint(hf_folder, prepared, config, problem) for config in configs]
    shared = Clock()
    encoded = _encode_all(_load(Path(hf_folder), prepared, configs[0], problem, shared), prepared, configs[0], shared)
    found = []
    for config in configs:
        clock = Clock(shared.seconds)
        found.append(ProbeResult(_probe_heads(encoded, prepared, config, readouts(config), clock), clock.seconds))
    return found


class Clock:
    """Wall time by part. ``with clock("encode"): ...``"""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        """``seconds`` are those that have passed before."""
        self.seconds: dict[str, float] = dict(seconds or {})

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + time.monotonic() - started


def _load(folder: Path, prepared: Prepared, config: ProbeConfig, problem: Problem, clock: Clock) -> "Net":
    from model.hf.folder import load_net

    with clock("load"):
        shape, model = load_net(folder)
        if isinstance(shape, DecoderConfig):
            model.causal = False
        _check_fits(folder, shape, prepared, config, problem(shape))
        _check_finite(folder, _noun(shape), model)
        return model.eval().requires_grad_(config.depth == "full")


def _noun(shape: ModelConfig) -> str:
    return "decoder" if isinstance(shape, DecoderConfig) else "encoder"


def _check_fits(folder: Path, shape: ModelConfig, prepared: Prepared, config: ProbeConfig, problem: str | None) -> None:
    noun = _noun(shape)
    if problem:
        raise UserError(
            f"the {noun} in {folder} has another shape: {problem}; remove this checkpoint or restore the right one"
        )
    if shape.vocab_size < prepared.vocab_size:
        raise UserError(
            f"the {noun} in {folder} has {shape.vocab_size} embeddings for a tokenizer of {prepared.vocab_size} tokens;"
            " it belongs to another tokenizer"
        )
    longest = max(config.query_tokens, config.train_document_tokens, config.document_tokens)
    if longest > shape.max_positions:
        raise UserError(
            f"the probe reads texts of {longest} tokens, the {noun} in {folder} at most {shape.max_positions}; "
            "lower probe.query_tokens, probe.train_document_tokens or probe.document_tokens"
        )
    _check_readouts(folder, noun, prepared, config)


def _check_readouts(folder: Path, noun: str, prepared: Prepared, config: ProbeConfig) -> None:
    """A decoder has no [CLS]; an encoder was trained with one."""
    if noun == "encoder" and prepared.queries.around != WRAPPED:
        raise UserError(
            f"the tokenizer of the encoder in {folder} has no [CLS] and [SEP]; train one with tokenizer.mlm_tokens=true"
        )
    if noun == "decoder" and "cls" in readouts(config):
        raise UserError(
            f"the decoder in {folder} has no [CLS] to read; take cls out of probe.readout and probe.beside (last, emb,"
            " cat stay)"
        )


def _check_finite(folder: Path, noun: str, model: "Net") -> None:
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise UserError(
                f"the {noun} in {folder} has values in {name} that are not finite; its training diverged, so remove"
                " this checkpoint"
            )


Encoded = dict[str, dict[str, Tensor]]
"""Training queries and documents, split, or "corpus of" a split -> part of a readout -> [N, H]."""
TRAIN_QUERIES, TRAIN_DOCUMENTS = "training queries", "training documents"


def _encode_all(model: "Net", prepared: Prepared, config: ProbeConfig, clock: Clock) -> Encoded:
    with clock("encode_train"):
        texts = {TRAIN_QUERIES: prepared.queries, TRAIN_DOCUMENTS: prepared.documents}
        found = {name: encode(model, tokens, config.tokens_per_batch) for name, tokens in texts.items()}
    return found | _encode_splits(model, prepared, config, clock)


def _encode_splits(model: "Net", prepared: Prepared, config: ProbeConfig, clock: Clock) -> Encoded:
    with clock("encode_eval"):
        found = {name: encode(model, split.queries, config.tokens_per_batch) for name, split in prepared.splits.items()}
        corpora = {
            f"corpus of {name}": encode(model, corpus.tokens, config.tokens_per_batch)
            for name, corpus in prepared.corpora.items()
        }
    return found | corpora


def _probe_heads(encoded: Encoded, prepared: Prepared, config: ProbeConfig, names: list[str], clock: Clock) -> Scores:
    """Depth head for the readouts ``names``."""
    owners = torch.from_numpy(prepared.document_of_pair)

    def probe_one(name: str) -> dict[str, dict[str, np.ndarray]]:
        asked, given = read(encoded[TRAIN_QUERIES], name), read(encoded[TRAIN_DOCUMENTS], name)
        whitening = Whitening.fit(asked, given, config.whiten_eps, config.whiten)
        pairs = whitening.queries(asked), whitening.documents(given)[owners.to(given.device)]
        weight = train_head(*pairs, prepared.document_of_pair, config)
        return _score(encoded, prepared, name, whitening, weight, config)

    with clock("heads"):
        return dict(zip(names, spread(probe_one, names), strict=True))


def _probe_full(
    model: "Net", prepared: Prepared, config: ProbeConfig, clock: Clock
) -> dict[str, dict[str, np.ndarray]]:
    with clock("tune"):
        asked, given = (
            read(encode(model, tokens, config.tokens_per_batch), config.readout)
            for tokens in (prepared.queries, prepared.documents)
        )
        whitening = Whitening.fit(asked, given, config.whiten_eps, config.whiten)
        documents = _by_pair(prepared)
        weight = fine_tune(model, prepared.queries, documents, prepared.document_of_pair, whitening, config)
    encoded = _encode_splits(model, prepared, config, clock)
    with clock("search"):
        return _score(encoded, prepared, config.readout, whitening, weight, config)


def _by_pair(prepared: Prepared) -> Tokens:
    """The documents of the training pairs, one a pair."""
    distinct, order = prepared.documents, prepared.document_of_pair
    return Tokens([distinct.ids[i] for i in order], [distinct.shown[i] for i in order], distinct.around)


def _score(
    encoded: Encoded, prepared: Prepared, name: str, whitening: Whitening, weight: Tensor, config: ProbeConfig
) -> dict[str, dict[str, np.ndarray]]:
    """Metrics of every query by split, for one readout and its head."""
    if not bool(weight.isfinite().all()):
        raise UserError(f"the probe diverged at probe.lr={config.lr}; lower it")
    scores = {}
    for split_name, split in prepared.splits.items():
        queries = whitening.queries(read(encoded[split_name], name)) @ weight
        corpus = read(encoded[f"corpus of {split.corpus}"], name)
        documents = of_distinct(lambda vectors: whitening.documents(vectors) @ weight, corpus)
        ranking = search(queries, documents, prepared.corpora[split.corpus].order, DEPTH)
        scores[split_name] = evaluate(ranking, split.judgements)
    return scores
