"""Learn the classifier: vocabulary, features of the examples, boosted trees, and the models it is compared with."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from conf.schema.language import LanguageConfig
from data_prep.quality.examples import LABELS, Example, Examples
from data_prep.quality.features.char_index import CharIndex
from data_prep.quality.features.stylometric import NAMES, features
from data_prep.quality.features.vocabulary import Counts, Vocabulary, add, count
from data_prep.quickstart.group_split import share_of
from data_prep.text.batch import Batch

VERSION = 1
"""Raised by hand whenever the same text may give other examples or another model: one that is there is refused;
``tests/data_prep/versions`` holds it to that."""
FOLDS = 4
ROUNDS = 250
PARAMETERS = {
    "objective": "multi:softprob", "num_class": len(LABELS), "max_depth": 8, "learning_rate": 0.08, "subsample": 0.75,
    "colsample_bytree": 0.8, "reg_alpha": 0.2, "reg_lambda": 0.5, "tree_method": "hist", "max_bin": 64, "nthread": 1,
}  # fmt: skip
"""Bielik v3's (arXiv 2505.02550); objective, method and bins are not stated there."""
BATCH = 250_000


def batches(texts: Iterable[str], profile: LanguageConfig) -> Iterator[Batch]:
    """Texts in batches of about 250,000 characters, in their order."""
    part: list[str] = []
    size = 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size >= BATCH:
            yield Batch(part, profile.casing)
            part, size = [], 0
    if part:
        yield Batch(part, profile.casing)


def features_of(texts: Sequence[str], profile: LanguageConfig, vocabulary: Vocabulary) -> np.ndarray:
    """float32 [n, f]: features of any number of texts."""
    parts = [features(batch, profile, vocabulary) for batch in batches(texts, profile)]
    return np.concatenate(parts) if parts else np.empty((0, len(NAMES)), np.float32)


def labels_of(examples: Sequence[Example]) -> np.ndarray:
    """int64 [n]: 0 LOW, 1 MEDIUM, 2 HIGH."""
    return np.array([LABELS.index(example.label) for example in examples], np.int64)


class Vocabularies:
    """The vocabulary of the model, and those that training texts are judged by.

    No training text may be judged by words learnt from itself: in the field, texts have unknown words. So documents
    fall into four folds; those of an even fold are judged by the vocabulary of the other folds, those of an odd one by
    that of the other sources, as texts of a new source will be."""

    def __init__(self, examples: Examples, profile: LanguageConfig):
        texts: dict[tuple[str, int], list[str]] = {}
        for group, source in sorted({(example.group, example.source) for example in examples.train}):
            if group in examples.full:
                texts.setdefault((source, fold(group)), []).append(examples.full[group])
        self.parts: dict[tuple[str, int], Counts] = {
            key: add(count(CharIndex(batch, profile)) for batch in batches(some, profile))
            for key, some in texts.items()
        }
        self.whole = Vocabulary.of(add(self.parts.values()))
        self.others: dict[tuple[str, int], Vocabulary] = {}

    def other(self, source: str, number: int) -> Vocabulary:
        """Return the vocabulary for training documents of a source and fold."""
        others = [counts for (name, _), counts in self.parts.items() if name != source]
        if number % 2 == 0 or not others:
            source, others = "", [counts for (_, where), counts in self.parts.items() if where != number]
        key = source, 0 if source else number
        if key not in self.others:
            self.others[key] = Vocabulary.of(add(others or self.parts.values()))
        return self.others[key]


def fold(group: str) -> int:
    """Fold of a document."""
    return int(share_of(f"fold {group}") * FOLDS)


def training_features(examples: Sequence[Example], profile: LanguageConfig, vocabularies: Vocabularies) -> np.ndarray:
    """float32 [n, f]: features of the training examples, each by a vocabulary that was not learnt from it."""
    values = np.empty((len(examples), len(NAMES)), np.float32)
    places: dict[tuple[str, int], list[int]] = {}
    for place, example in enumerate(examples):
        places.setdefault((example.source, fold(example.group)), []).append(place)
    for (source, number), some in sorted(places.items()):
        values[some] = features_of(
            [examples[place].text for place in some], profile, vocabularies.other(source, number)
        )
    return values


def fit(values: np.ndarray, labels: np.ndarray, seed: int, rounds: int = ROUNDS) -> Any:
    """The boosted trees; deterministic for one seed."""
    import xgboost

    matrix = xgboost.DMatrix(values, labels, feature_names=list(NAMES), nthread=1)
    return xgboost.train(PARAMETERS | {"seed": seed}, matrix, rounds)


def fit_peers(values: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, Any]:
    """The models that the paper compares with, of scikit-learn, each with `predict_proba`."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    models = {
        "random forest": RandomForestClassifier(250, n_jobs=1, random_state=seed),
        "logistic regression": make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, max_iter=300, random_state=seed)
        ),
        "MLP": make_pipeline(
            StandardScaler(), MLPClassifier((128,), alpha=1e-3, early_stopping=True, max_iter=100, random_state=seed)
        ),
    }
    return {name: model.fit(values, labels) for name, model in models.items()}
