"""The classifier as a folder, and what it says of texts."""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from common import manifest
from common.arrays import save_array
from common.errors import UserError
from common.files import digest, read_json, write_json
from conf.schema.language import LanguageConfig
from data_prep.quality.examples import LABELS
from data_prep.quality.features.stylometric import NAMES, VERSION, features
from data_prep.quality.features.vocabulary import Vocabulary
from data_prep.quality.learn import features_of
from data_prep.text.batch import Batch

BOOSTER, VOCABULARY, PROFILE = "booster.ubj", "vocabulary.npy", "profile.json"
PROFILE_KEYS = ("code", "casing", "stop_words", "terminal_punctuation", "closing", "alphabet", "diacritics")
"""What the features ask of a profile; kept with the model, since the same text must have the same features later."""


@dataclass(frozen=True)
class Classifier:
    """Boosted trees with the vocabulary and the profile that their features are made with."""

    booster: Any
    vocabulary: Vocabulary
    profile: LanguageConfig

    def probabilities_of(self, batch: Batch) -> np.ndarray:
        """float32 [n, 3]: probabilities of LOW, MEDIUM, HIGH. The batch must have the casing of the language."""
        return self.predict(features(batch, self.profile, self.vocabulary))

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, 3]: probabilities of LOW, MEDIUM, HIGH of any number of texts."""
        return self.predict(features_of(texts, self.profile, self.vocabulary))

    def predict(self, values: np.ndarray) -> np.ndarray:
        """float32 [n, 3] from features [n, f], on one thread."""
        if not len(values):
            return np.empty((0, len(LABELS)), np.float32)
        return self.booster.inplace_predict(values, validate_features=False)

    def save(self, folder: Path) -> None:
        """Write booster, vocabulary and profile into a folder that is there."""
        (folder / BOOSTER).write_bytes(
            self.booster.save_raw("ubj")
        )  # save_model does not see whether the last 4096 bytes arrive
        save_array(folder / VOCABULARY, self.vocabulary.entries)
        write_json(folder / PROFILE, {key: asdict(self.profile)[key] for key in PROFILE_KEYS})


def load(folder: str | Path) -> Classifier:
    """The classifier of a folder that `jobs.quality` wrote. Raises UserError where there is none, or it is broken or of
    other features."""
    xgboost = _xgboost()

    folder = Path(folder)
    if not (folder / manifest.NAME).is_file():
        raise UserError(
            f"there is no quality classifier in {folder} (key quality.model); make one with python -m jobs.quality"
        )
    made = manifest.read(folder)
    mend = "make it anew with python -m jobs.quality"
    if made.get("kind") != "quality" or made["features"] != list(NAMES):
        raise UserError(f"{folder} holds no quality classifier of these features (key quality.model); {mend}")
    if made["features_version"] != VERSION:
        raise UserError(
            f"{folder} (key quality.model) was learnt from version {made['features_version']} of the features, "
            f"now {VERSION}; {mend}"
        )
    for name in (BOOSTER, VOCABULARY, PROFILE):
        if not (folder / name).is_file() or digest(folder / name) != made["files"][name]:
            raise UserError(f"{folder / name} is not as jobs.quality wrote it; {mend}")
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(folder / BOOSTER)
    booster.set_param({"nthread": 1})  # that of the file, and of whoever trained it, is another
    entries = np.load(folder / VOCABULARY, allow_pickle=False)
    return Classifier(booster, Vocabulary(entries), LanguageConfig(**read_json(folder / PROFILE)))


def _xgboost() -> ModuleType:
    """The library without scikit-learn, which it would import for wrappers that are not used here: over a second at the
    start of every array task. Where that is loaded already it stays."""
    blocked = not {"xgboost", "sklearn"} & set(sys.modules)
    if blocked:
        sys.modules["sklearn"] = None
    try:
        return importlib.import_module("xgboost")
    finally:
        if blocked:
            del sys.modules["sklearn"]
