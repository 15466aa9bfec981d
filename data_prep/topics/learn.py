"""Learn the topic classifier from labelled documents, measure it, and write its folder."""

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common import manifest
from common.errors import UserError
from common.files import atomic_folder, write_json
from common.layout import REPORT
from conf.schema.data import DataConfig
from conf.schema.language import LanguageConfig
from conf.schema.quality import TopicsConfig
from data_prep.quality.learn import batches
from data_prep.quality.measures import figures
from data_prep.quickstart.group_split import share_of
from data_prep.sources.inputs import list_inputs
from data_prep.sources.readers import read_documents
from data_prep.topics import classifier, report
from data_prep.topics.classifier import OTHER, TopicClassifier, stacked
from data_prep.topics.words import most_frequent

VERSION = 1
"""Raised by hand whenever the same text may give another model: one that is there is refused;
``tests/data_prep/versions`` holds it to that."""
FOLDS = 3
TELLING = 6
Labelled = tuple[str, str, str]
"""Id, topic, text."""


def check(config: TopicsConfig) -> None:
    """Raise UserError for what is wrong before anything is read."""
    if not config.labelled:
        raise UserError("topics.labelled is empty; name files with labelled documents")


def collect_labelled(config: TopicsConfig, data: DataConfig) -> tuple[list[Labelled], list[Labelled]]:
    """Documents to learn from and to measure on, by a hash of the id. Raises UserError where there are too few
    topics."""
    check(config)
    sample = heapq.nsmallest(
        config.documents, _read(config, data), key=lambda document: (share_of(document[0]), document[0])
    )
    train = [document for document in sample if share_of(f"held out {document[0]}") >= config.held_out_share]
    sizes = Counter(topic for _, topic, _ in train)
    topics = {topic for topic, size in sizes.items() if size >= max(FOLDS, config.min_documents)}
    if len(topics) < 3:
        raise UserError(
            f"topics.labelled has {len(topics)} topics with {config.min_documents} documents or more; it takes at"
            " least 3"
        )
    train_ids = {id for id, _, _ in train}
    held_out = [document for document in sample if document[0] not in train_ids]
    return [document for document in train if document[1] in topics], [
        document for document in held_out if document[1] in topics
    ]


def _read(config: TopicsConfig, data: DataConfig) -> Iterator[Labelled]:
    for path in list_inputs(config.labelled):
        for document in read_documents(path, data, fields=(config.label_field,)):
            topic = document.fields.get(config.label_field)
            if topic is None:
                raise UserError(f"{path} line {document.line} has no '{config.label_field}' (key topics.label_field)")
            if topic != OTHER:
                yield document.id, str(topic), document.text


def fit(documents: Sequence[Labelled], profile: LanguageConfig, size: int, seed: int) -> tuple[TopicClassifier, Any]:
    """The classifier, and scikit-learn's that it was taken from (it predicts from `TopicClassifier.tfidf`)."""
    from scipy.sparse import vstack
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC

    topics = sorted({topic for _, topic, _ in documents})
    labels = np.array([topics.index(topic) for _, topic, _ in documents])
    texts = [text for _, _, text in documents]
    words = most_frequent(batches(texts, profile), size)
    empty = {name: np.empty(0) for name in ("coefficients", "intercepts", "bends", "bounds")}
    plain = TopicClassifier(topics, words, profile.code, profile.casing, np.ones(len(words)), **empty)
    parts = [plain.tfidf(batch) for batch in batches(texts, profile)]
    documents_with = np.bincount(np.concatenate([part.indices for part in parts]), minlength=len(words))
    weighted = replace(plain, idf=np.log((1 + len(texts)) / (1 + documents_with)) + 1)
    matrix = vstack([weighted.tfidf(batch) for batch in batches(texts, profile)]).tocsr()
    machine = LinearSVC(C=1.0, random_state=seed)
    model = CalibratedClassifierCV(machine, method="isotonic", cv=FOLDS, n_jobs=1).fit(matrix, labels)
    return replace(weighted, **stacked(model.calibrated_classifiers_)), model


def build(
    config: TopicsConfig, data: DataConfig, profile: LanguageConfig, seed: int, made_from: dict[str, Any]
) -> dict[str, Any]:
    """Learn, measure and write `topics.model`; returns the report. ``made_from`` goes into the manifest (settings,
    inputs)."""
    train, held_out = collect_labelled(config, data)
    model, _ = fit(train, profile, config.vocabulary, seed)
    figures = {
        "name": Path(config.model).name,
        "train": len(train),
        "words": len(model.words),
        **measure(model, held_out, profile, config),
    }
    figures["telling"] = model.telling(TELLING)
    with atomic_folder(config.model, "topics") as aside:
        model.save(aside)
        write_json(aside / "report.json", figures)
        (aside / REPORT).write_text(report.render(figures), encoding="utf-8")
        fields = made_from | {
            "seed": seed,
            "topics": model.topics,
            "examples": len(train),
            "classifier_version": classifier.VERSION,
            "files": manifest.digests(aside),
        }
        manifest.write(aside, manifest.describe("topics", **fields))
    return figures


def measure(
    model: TopicClassifier, documents: Sequence[Labelled], profile: LanguageConfig, config: TopicsConfig
) -> dict[str, Any]:
    """Figures on held-out documents, first as if there were no "Other"; then how many are "Other", and how many of the
    rest are right."""
    truth = np.array([model.topics.index(topic) for _, topic, _ in documents], np.int64)
    parts = [model.probabilities_of(batch) for batch in batches([text for _, _, text in documents], profile)]
    probabilities = np.concatenate(parts) if parts else np.empty((0, len(model.topics)))
    named = model.names(probabilities, config.min_probability)
    told = [name == topic for name, (_, topic, _) in zip(named, documents, strict=True) if name != OTHER]
    rest = {
        "min_probability": config.min_probability,
        "count": len(named) - len(told),
        "accuracy_of_rest": round(float(np.mean(told or [0])), 4),
    }
    return {"held_out": figures(probabilities, truth, model.topics), "other": rest}
