"""Filter rule quality: text that the classifier of `jobs.quality` calls too bad."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from common.errors import UserError
from conf.schema.language import LanguageConfig
from conf.schema.root import Config
from data_prep.filters.rule import Rule, Test
from data_prep.model_digest import model_digest
from data_prep.quality.classifier import load
from data_prep.quality.examples import LABELS
from data_prep.records.record import Record
from data_prep.text.batch import Batch

MANY = 0.7


class Quality(Rule):
    """Rejects texts whose most probable label is below `quality.min_label`, and those of which it is too improbable
    that they reach it."""

    name, version = "quality", 1

    def __init__(self, profile: LanguageConfig, config: Config):
        super().__init__(profile, config)
        self.classifier = load(config.quality.model)
        language = self.classifier.profile.code
        if language != profile.code:
            raise UserError(
                f"{config.quality.model} was learnt from {language} text, the source is {profile.code}; leave the "
                "rule quality"
                " out of its rules"
            )
        self.least, self.probability = LABELS.index(config.quality.min_label), config.quality.min_probability

    @classmethod
    def inputs(cls, profile: LanguageConfig, config: Config) -> list[Any]:
        """Settings of the question to the model, and the digest of its files."""
        return [asdict(config.quality), model_digest(config.quality.model, "quality.model", "quality")]

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield one test, or two where `quality.min_probability` is set. Notes of the living: `quality` and
        `quality_probabilities`, of LOW, MEDIUM, HIGH."""
        places = np.flatnonzero(alive)
        probabilities = np.zeros((len(batch), len(LABELS)), np.float32)
        if len(places) >= MANY * len(
            batch
        ):  # what other rules computed of the whole batch is worth more than a few dead texts
            probabilities[places] = self.classifier.probabilities_of(batch)[places]
        else:
            probabilities[places] = self.classifier.probabilities_of(
                Batch([batch.texts[place] for place in places], batch.casing)
            )
        label = probabilities.argmax(1)
        for place in places if records else ():
            records[place].notes |= {
                "quality": LABELS[label[place]],
                "quality_probabilities": [round(float(x), 4) for x in probabilities[place]],
            }
        least = LABELS[self.least]
        enough = probabilities[:, self.least :].sum(1)
        yield Test(
            "quality/below_label", enough, alive & (label < self.least), f"the most probable label is below {least}"
        )
        if self.probability:
            yield Test(
                "quality/improbable", enough, enough < self.probability, f"P({least} or better) < {self.probability}"
            )
