"""Perplexity as a measure of checkpoints: how well a decoder predicts texts, and what it forgot and gained."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import UserError
from common.files import digest_of
from common.layout import CONFIG
from common.read_yaml import read_yaml
from conf.schema import Config
from model.evaluation.interface.store import NOUNS
from model.evaluation.measures.perplexity.inputs import sets
from model.evaluation.measures.perplexity.reporting import PerplexityReporting
from model.evaluation.measures.perplexity.result import Perplexity

if TYPE_CHECKING:
    from model.evaluation.measures.perplexity.likelihood import Documents


class PerplexityMeasure(PerplexityReporting):
    """Perplexity per token, per character and as bits per byte, on texts by name."""

    result = Perplexity
    nouns = NOUNS | {"inputs": "other texts, tasks or tokenizer"}

    def __init__(self, config: Config, run: Path, shared: Any = None):
        super().__init__(config, run, shared)
        self.context = config.evaluation.context or _trained_length(run) or config.train.seq_length
        if self.context < 2:
            raise UserError(f"evaluation.context={self.context} leaves nothing to predict a token from; give 2 or more")

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of the settings and of what is read."""
        evaluation = self.config.evaluation
        settings = {"context": self.context, "max_documents": evaluation.max_documents, "seed": evaluation.seed}
        return {"settings": digest_of(settings), "inputs": self.shared.digest}

    def measure(self, hf_folder: Path) -> Mapping[str, Any]:
        """See `Measure`."""
        from model.evaluation.measures.perplexity.likelihood import likelihoods
        from model.megatron.startup import parallel

        documents = self.shared.documents
        nll = likelihoods(hf_folder, documents, self.context, self.config.evaluation.tokens_per_batch)
        arrays, texts = {}, {}
        for name, (role, _) in sets(self.config.evaluation).items():
            parts = _parts(documents[name], nll[name])
            arrays |= {f"{name}/{part}": values for part, values in parts.items()}
            totals = {part: values.sum().item() for part, values in parts.items()}
            texts[name] = {"role": role, "documents": len(nll[name]), **totals}
        return {**arrays, "texts": texts, "context": self.context, "precision": parallel().precision}


def _parts(documents: "Documents", nll: np.ndarray) -> dict[str, np.ndarray]:
    return {"nll": nll, "token": documents.tokens, "character": documents.characters, "byte": documents.bytes}


def _trained_length(run: Path) -> int | None:
    """`train.seq_length` of the run's frozen configuration, None where there is none."""
    file = run / CONFIG
    frozen = read_yaml(file) if file.is_file() else {}
    return frozen.get("train", {}).get("seq_length")
