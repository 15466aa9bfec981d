"""Features and models: quality, topics, static embeddings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from common import manifest
from data_prep.dedup import embedding, static_model
from data_prep.quality import learn as quality_learn
from data_prep.quality.classifier import Classifier
from data_prep.quality.degrade.degrade import KINDS, LOW, MEDIUM, degrade
from data_prep.quality.features import stylometric
from data_prep.quality.features.char_index import CharIndex
from data_prep.quality.features.vocabulary import Vocabulary, count
from data_prep.text.language import load_language
from data_prep.topics import classifier as topics_classifier
from data_prep.topics import learn as topics_learn
from data_prep.topics.words import most_frequent
from tests.data_prep.versions.sample import LANGUAGES, batch, digest_values, rows, texts
from tests.data_prep.versions.table import Entry


def entries(folder: Path) -> dict[str, Entry]:
    """An entry each for features, degradations, topics and embeddings."""
    made = {
        "quality features": (stylometric, digest_values(_features(), 4)),
        "quality training": (quality_learn, digest_values(_degraded())),
        "topic classifier": (topics_classifier, digest_values(_topics(folder), 4)),
        "topic training": (topics_learn, digest_values(_words())),
        "embedding": (embedding, digest_values(_embedded(folder), 2)),
        "static model": (static_model, digest_values(_weights(), 4)),
    }
    return {
        name: {
            "version": module.VERSION,
            "digest": digest,
            "file": f"{module.__name__.replace('.', '/')}.py",
            "rests_on": [],
        }
        for name, (module, digest) in made.items()
    }


def vocabulary(language: str) -> Vocabulary:
    """Words of the sample."""
    return Vocabulary.of(count(CharIndex(batch(language), load_language(language))))


def _features() -> Iterator[Any]:
    yield stylometric.MEANINGS
    for language in LANGUAGES:
        yield vocabulary(language).entries
        yield stylometric.features(batch(language), load_language(language), vocabulary(language))


def _degraded() -> Iterator[Any]:
    """Degraded texts, parameters, and vocabularies that training texts are judged by."""
    yield [quality_learn.PARAMETERS, quality_learn.ROUNDS, quality_learn.FOLDS]
    for language in LANGUAGES:
        for text in texts(language)[:3]:
            yield [degrade(text, kind, label, "fixed") for kind in KINDS for label in (LOW, MEDIUM)]


def quality_model(folder: Path) -> Path:
    """A classifier of English text in a folder: whole texts of the sample are good, damaged ones are not."""
    folder.mkdir()
    sample, profile, words = rows("en"), load_language("en"), vocabulary("en")
    labels = np.array([2 - min(2, row["id"].count("/")) if place % 3 else 1 for place, row in enumerate(sample)])
    values = stylometric.features(batch("en"), profile, words)
    Classifier(quality_learn.fit(values, labels, 0, 10), words, profile).save(folder)
    fields = {
        "features": list(stylometric.NAMES),
        "features_version": stylometric.VERSION,
        "files": manifest.digests(folder),
    }
    manifest.write(folder, manifest.describe("quality", **fields))
    return folder


def topic_model(folder: Path) -> Path:
    """A topic classifier of English text with weights drawn at random."""
    folder.mkdir()
    words, draw = most_frequent([batch("en")], 200), np.random.default_rng(0)
    made = topics_classifier.TopicClassifier(
        ["law", "sea", "war"], words, "en", load_language("en").casing, draw.integers(1, 5, len(words)).astype(float),
        draw.integers(-9, 10, (3, 3, len(words))).astype(float), draw.integers(-2, 3, (3, 3)).astype(float),
        np.tile(np.array([[-20.0, 0.0, 20.0], [0.0, 0.4, 1.0]]), 9), np.arange(0, 28, 3),
    )  # fmt: skip
    made.save(folder)
    fields = {"classifier_version": topics_classifier.VERSION, "files": manifest.digests(folder)}
    manifest.write(folder, manifest.describe("topics", **fields))
    return folder


def _topics(folder: Path) -> Iterator[Any]:
    made = topics_classifier.load(topic_model(folder / "topics"))
    yield made.tfidf(batch("en")).toarray()
    yield made.probabilities_of(batch("en"))
    yield made.topics_of(batch("en"), 0.4)


def _words() -> Iterator[list[str]]:
    for language in LANGUAGES:
        yield most_frequent([batch(language)], 300)


def _embedded(folder: Path) -> Iterator[np.ndarray]:
    """Vectors of whole numbers, of a tokenizer of whole words."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = {word: number for number, word in enumerate(["[UNK]", *most_frequent([batch("en")], 300)])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(0).integers(-9, 10, (len(words), 8)).astype(np.float32)
    StaticModel(vectors, tokenizer, normalize=True, max_length=60).save_pretrained(folder / "embedder")
    yield embedding.Embedder(folder / "embedder").embed(texts("en")).astype(np.float32)


def _weights() -> Iterator[np.ndarray]:
    """The matrix that is decomposed; its singular vectors are the library's."""
    draw = np.random.default_rng(0)
    counts = static_model._counts([draw.integers(0, 50, 30).astype(np.uint32) for _ in range(20)], 50)
    yield static_model._weighted(counts, np.arange(1.0, 51.0)).toarray()
