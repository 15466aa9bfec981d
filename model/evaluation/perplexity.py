"""Perplexity as a measure of checkpoints: per token, per character (so that tokenizers compare) and as bits per byte, on
texts by name."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from common.files import digest, digest_of
from common.layout import CONFIG, HF
from common.progress import say
from common.read_yaml import read_yaml
from conf.schema import Config
from model.evaluation.bootstrap import Interval, resampled_means
from model.evaluation.files import measure_file, standing, why_again, write_measured
from model.evaluation.likelihood import Documents, negative_log_likelihood, tokenise
from model.evaluation.measures import Held, sets
from model.evaluation.results import weights_digest
from model.evaluation.texts import digest_texts, read_texts
from model.training.checkpoints.checkpoints import Checkpoint

KIND = "perplexity"
UNITS = ("token", "character", "byte")
"""What a perplexity is taken per; per byte it is told in bits."""


@dataclass(frozen=True)
class Perplexity:
    """Likelihood of every text under the net of one checkpoint."""

    step: int
    tokens: int
    """Tokens that the net was trained on by then."""
    phase: str | None
    roles: dict[str, str]
    """Name of a text -> domain or general."""
    totals: dict[str, dict[str, Any]]
    """Name of a text -> nll (nats), documents, and the counts in `UNITS`, over all its documents."""
    file: Path

    def value(self, name: str, unit: str) -> float:
        """exp(nll / tokens), exp(nll / characters), or nll / bytes in bits."""
        return told(self.totals[name]["nll"] / self.totals[name][unit], unit)

    def per_document(self, name: str) -> dict[str, np.ndarray]:
        """nll and the counts in `UNITS` of every document [D]."""
        with np.load(self.file.with_suffix(".npz"), allow_pickle=False) as arrays:
            return {part: arrays[f"{name}/{part}"] for part in ("nll", *UNITS)}

    def interval(self, name: str, unit: str, resamples: int, seed: int = 0) -> Interval | None:
        """`value` with its 95% interval over documents; None without a bootstrap."""
        if not resamples:
            return None
        found = self.per_document(name)
        low, high = np.percentile(told(_ratios(found["nll"], found[unit], resamples, seed), unit), [2.5, 97.5])
        return Interval(self.value(name, unit), float(low), float(high))


def told(nats: Any, unit: str) -> Any:
    """Nats per ``unit`` as a perplexity, or in bits per byte."""
    return nats / np.log(2) if unit == "byte" else np.exp(nats)


def log_changes(
    found: Perplexity, first: Perplexity, name: str, unit: str, resamples: int, seed: int = 0
) -> tuple[float, np.ndarray]:
    """How much the log perplexity of a text differs from that of ``first``, measured on the same documents: the
    difference, and those of ``resamples`` draws of documents [R], the same draws for both."""
    here, there = found.per_document(name), first.per_document(name)
    less = here["nll"] - there["nll"]
    return float(less.sum() / here[unit].sum()), (
        _ratios(less, here[unit], resamples, seed) if resamples else np.zeros(0)
    )


def _ratios(sums: np.ndarray, counts: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Ratio of two sums over documents drawn with replacement [R]."""
    drawn = resampled_means(np.stack([sums, counts]), resamples, seed)
    return drawn[0] / drawn[1]


class SharedTexts:
    """What checkpoints with one tokenizer share, made when the first of them asks."""

    def __init__(self, config: Config, tokenizer_file: Path):
        self.config, self.tokenizer_file = config, tokenizer_file

    @cached_property
    def digest(self) -> str:
        """Digest of the texts, their names and roles, and of the tokenizer."""
        texts = [
            [name, role, digest_texts(path, f"evaluation.{role}.{name}")]
            for name, (role, path) in sets(self.config.evaluation).items()
        ]
        return digest_of([texts, digest(self.tokenizer_file)])

    @cached_property
    def documents(self) -> dict[str, Documents]:
        """The texts by name, tokenised, drawn where there are more than `evaluation.max_documents`."""
        say("tokenise the texts for perplexity")
        return {name: self._documents(name, role, path) for name, (role, path) in sets(self.config.evaluation).items()}

    def _documents(self, name: str, role: str, path: str) -> Documents:
        key, most = f"evaluation.{role}.{name}", self.config.evaluation.max_documents
        texts = read_texts(path, key, self.config.data.max_document_bytes or None)
        if 0 < most < len(texts):
            drawn = np.random.default_rng(self.config.evaluation.seed).permutation(len(texts))[:most]
            texts = [texts[position] for position in np.sort(drawn)]
        found = tokenise(texts, self.tokenizer_file)
        if not len(found):
            raise UserError(
                f"{key}: no document of {path} has two tokens, so nothing can be predicted; name other text"
            )
        return found


class PerplexityMeasure:
    """The measure, of the checkpoints of one run."""

    def __init__(self, config: Config, run: Path, shared: SharedTexts):
        self.config, self.run, self.shared = config, run, shared
        self.context = config.evaluation.context or _trained_length(run) or config.train.seq_length
        if self.context < 2:
            raise UserError(f"evaluation.context={self.context} leaves nothing to predict a token from; give 2 or more")

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of the settings and of what is read."""
        evaluation = self.config.evaluation
        settings = {"context": self.context, "max_documents": evaluation.max_documents, "seed": evaluation.seed}
        return {"settings": digest_of(settings), "inputs": self.shared.digest}

    def left(self, checkpoint: Checkpoint) -> str | None:
        """See `Measure`."""
        if self.config.sweep.force:
            return "sweep.force is set"
        return why_again(
            measure_file(self.run, KIND, checkpoint.step), self.digests | {"weights": weights_digest(checkpoint)}
        )

    def make(self, checkpoint: Checkpoint, held: Held) -> str | None:
        """See `Measure`."""
        file = measure_file(self.run, KIND, checkpoint.step)
        if file.exists():
            say(f"perplexity of step {checkpoint.step} again: {self.left(checkpoint)}")
        from model.megatron.startup import parallel

        begun = time.monotonic()
        found = measure(
            checkpoint.folder / HF, self.shared.documents, self.context, self.config.evaluation.tokens_per_batch
        )
        if not held():
            return None
        arrays, texts = {}, {}
        for name, (role, _) in sets(self.config.evaluation).items():
            parts = _parts(self.shared.documents[name], found[name])
            arrays |= {f"{name}/{part}": values for part, values in parts.items()}
            totals = {part: values.sum().item() for part, values in parts.items()}
            texts[name] = {"role": role, "documents": len(found[name]), **totals}
        digests = self.digests | {"weights": weights_digest(checkpoint)}
        seconds = round(time.monotonic() - begun, 3)
        write_measured(
            file,
            KIND,
            checkpoint,
            arrays,
            digests,
            texts=texts,
            context=self.context,
            precision=parallel().precision,
            seconds=seconds,
        )
        return ", ".join(
            f"perplexity of {name} {told(one['nll'] / one['token'], 'token'):.2f}" for name, one in texts.items()
        )

    def results(self) -> list[Perplexity]:
        """Standing results by step."""
        return [_read(file, document) for file, document in standing(self.run, KIND, self.digests)]


def measure(
    hf_folder: str | Path, documents: Mapping[str, Documents], context: int, tokens_per_batch: int
) -> dict[str, np.ndarray]:
    """Negative log-likelihood of every document [D] of each text under the decoder in ``hf_folder``, in nats.

    Needs `model.megatron.startup.start`. Raises UserError for a net that is too short or too small for the texts, and
    for one whose likelihoods are not finite."""
    from model.hf.folder import load_net

    config, net = load_net(hf_folder)
    if context > config.max_positions:
        raise UserError(
            f"evaluation.context={context} exceeds the {config.max_positions} positions of the net in {hf_folder};"
            " lower it"
        )
    highest = max(int(ids.max()) for found in documents.values() for ids in found.ids)
    if highest >= config.vocab_size:
        raise UserError(
            f"the net in {hf_folder} has {config.vocab_size} tokens and its tokenizer gives id {highest}; it belongs to"
            " another"
        )
    net.eval().requires_grad_(False)
    found = {name: negative_log_likelihood(net, one, context, tokens_per_batch) for name, one in documents.items()}
    for name, values in found.items():
        if not np.isfinite(values).all():
            raise UserError(
                f"the likelihood of {name} under {hf_folder} is not finite; its training diverged, so remove this checkpoint"
            )
    return found


def _parts(documents: Documents, nll: np.ndarray) -> dict[str, np.ndarray]:
    return {"nll": nll, "token": documents.tokens, "character": documents.characters, "byte": documents.bytes}


def _read(file: Path, document: dict[str, Any]) -> Perplexity:
    texts = document["texts"]
    roles = {name: text["role"] for name, text in texts.items()}
    return Perplexity(document["step"], document["tokens"], document.get("phase"), roles, texts, file)


def _trained_length(run: Path) -> int | None:
    """`train.seq_length` of the run's frozen configuration, None where there is none."""
    file = run / CONFIG
    frozen = read_yaml(file) if file.is_file() else {}
    return frozen.get("train", {}).get("seq_length")
