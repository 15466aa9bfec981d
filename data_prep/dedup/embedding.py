"""Embeddings of documents by a model2vec StaticModel: the mean of the vectors of their tokens, encoded in bulk."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from common.layout import TOKENIZER
from data_prep.tokenizer.encoder import Encoder

VERSION = 1
"""Raised by hand whenever the same text may get another vector: documents are embedded anew;
``tests/data_prep/versions`` holds it to that."""


class Embedder:
    """A StaticModel folder, ready to embed: what ``StaticModel.encode`` gives, up to rounding, many times faster.

    Special tokens that stand in the text are taken for text. ``warn`` is told when a slower library must encode."""

    def __init__(self, folder: str | Path, warn: Callable[[str], Any] = lambda _: None):
        """Raises UserError where ``folder`` holds no StaticModel."""
        model = _load(Path(folder))
        self.dimensions = model.dim
        self.vectors = np.ascontiguousarray(model.embedding, np.float32)
        self.weights, self.mapping, self.unknown = model.weights, model.token_mapping, model.unk_token_id
        self.tokens = model.max_length
        self.characters = model.max_length and model.max_length * model.median_token_length
        self.encoder = Encoder(folder, warn)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """[n, dimensions] float16 of length 1; zeros for a text without tokens."""
        from scipy.sparse import csr_array

        ids = [self._known(token_ids) for token_ids in self.encoder.encode([text[: self.characters] for text in texts])]
        bounds = np.concatenate([[0], np.cumsum([len(token_ids) for token_ids in ids])]).astype(np.int64)
        flat = np.concatenate([np.empty(0, np.uint32), *ids]).astype(np.int64)
        weights = np.ones(len(flat), np.float32) if self.weights is None else self.weights[flat].astype(np.float32)
        rows = flat if self.mapping is None else self.mapping[flat]
        sums = csr_array((weights, rows, bounds), (len(ids), len(self.vectors))) @ self.vectors
        return (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-32)).astype(np.float16)

    def _known(self, ids: np.ndarray) -> np.ndarray:
        ids = ids[: self.tokens]
        return ids if self.unknown is None else ids[ids != self.unknown]


def _load(folder: Path) -> Any:
    from model2vec import StaticModel

    missing = [name for name in ("config.json", "model.safetensors", TOKENIZER) if not (folder / name).is_file()]
    if missing:
        mend = "make one with jobs.embedder, or name another folder in corpus.semantic.model"
        raise UserError(f"{folder} is not a model2vec StaticModel: {missing[0]} is missing; {mend}")
    return StaticModel.from_pretrained(folder)
