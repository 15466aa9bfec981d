"""Texts that perplexity is measured on, by name, and what the checkpoints with one tokenizer share of them."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import UserError
from common.files import digest, digest_of
from common.progress import say
from conf.schema import Config
from conf.schema.evaluation import EvaluationConfig
from model.evaluation.measures.perplexity.texts import digest_texts, read_texts

if TYPE_CHECKING:
    from model.evaluation.measures.perplexity.likelihood import Documents

DOMAIN, GENERAL = "domain", "general"


def sets(evaluation: EvaluationConfig) -> dict[str, tuple[str, str]]:
    """Name -> ("domain" or "general", file or folder) of the texts that perplexity is measured on. Raises UserError for
    a name of both."""
    if both := evaluation.domain.keys() & evaluation.general.keys():
        raise UserError(f"evaluation.domain and evaluation.general both have {min(both)}; name one of them otherwise")
    return {name: (role, path) for role in (DOMAIN, GENERAL) for name, path in getattr(evaluation, role).items()}


def digests_of_sets(evaluation: EvaluationConfig) -> dict[str, str]:
    """Name -> digest of each text."""
    return {name: digest_texts(path, f"evaluation.{role}.{name}") for name, (role, path) in sets(evaluation).items()}


class SharedTexts:
    """What checkpoints with one tokenizer share, made when the first of them asks."""

    def __init__(self, config: Config, tokenizer_file: Path):
        self.config, self.tokenizer_file = config, tokenizer_file

    @cached_property
    def digest(self) -> str:
        """Digest of the texts, their names and roles, and of the tokenizer."""
        evaluation = self.config.evaluation
        digests = digests_of_sets(evaluation)
        texts = [[name, role, digests[name]] for name, (role, _) in sets(evaluation).items()]
        return digest_of([texts, digest(self.tokenizer_file)])

    @cached_property
    def documents(self) -> dict[str, "Documents"]:
        """The texts by name, tokenised, drawn where there are more than `evaluation.max_documents`."""
        say("tokenise the texts for perplexity")
        return {name: self._documents(name, role, path) for name, (role, path) in sets(self.config.evaluation).items()}

    def _documents(self, name: str, role: str, path: str) -> "Documents":
        from model.evaluation.measures.perplexity.likelihood import tokenise

        key, most = f"evaluation.{role}.{name}", self.config.evaluation.max_documents
        texts = read_texts(path, key, self.config.data.max_document_bytes or None)
        if 0 < most < len(texts):
            drawn = np.random.default_rng(self.config.evaluation.seed).permutation(len(texts))[:most]
            texts = [texts[position] for position in np.sort(drawn)]
        documents = tokenise(texts, self.tokenizer_file)
        if not len(documents):
            raise UserError(
                f"{key}: no document of {path} has two tokens, so nothing can be predicted; name other text"
            )
        return documents
