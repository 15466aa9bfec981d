"""Keys under which documents and paragraphs are compared, and what is compared by their meaning."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from conf.schema.duplicates import DuplicatesConfig
from data_prep.dedup import paragraphs, semantic, signature
from data_prep.text.language import load_language
from tests.data_prep.versions.sample import LANGUAGES, batch, digest_values
from tests.data_prep.versions.table import Entry


def entries(folder: Path) -> dict[str, Entry]:
    """An entry a kind of duplicates."""
    kinds = {
        "duplicate keys": (signature, _keys()),
        "paragraph keys": (paragraphs, _paragraphs()),
        "semantic": (semantic, _near()),
    }
    return {
        name: {
            "version": module.VERSION, "digest": digest_values(values),
            "file": f"{module.__name__.replace('.', '/')}.py", "rests_on": [],
        }
        for name, (module, values) in kinds.items()
    }  # fmt: skip


def _keys() -> Iterator[np.ndarray]:
    for language in LANGUAGES:
        for fold in (False, True):
            config = DuplicatesConfig(fold_numbers=fold)
            yield signature.Signer(config, load_language(language)).keys(batch(language))


def _paragraphs() -> Iterator[Any]:
    for language in LANGUAGES:
        documents = batch(language)
        yield list(paragraphs.keys(documents, 40))
        yield [
            paragraphs.remove(text, [0, 2])
            for text in documents.texts
            if len(paragraphs.split(type(documents)([text]))) > 2
        ]


def _near() -> Iterator[np.ndarray]:
    """Cells and representatives of vectors of whole numbers, whose cosines are far from the threshold."""
    draw = np.random.default_rng(0)
    vectors = np.repeat(draw.integers(-9, 10, (120, 16)), 2, axis=0).astype(np.float32)
    vectors[1::2, 0] += 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    yield semantic.assign(vectors, vectors[:12])
    for threshold in (0.8, 0.95):
        yield semantic.representatives(vectors, threshold)
