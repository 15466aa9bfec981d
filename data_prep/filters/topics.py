"""Filter rule topics, an annotator: writes what a document is about into its notes, and rejects nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from common.errors import UserError
from conf.schema.language import LanguageConfig
from conf.schema.root import Config
from data_prep.filters.rule import Rule, Test
from data_prep.model_digest import model_digest
from data_prep.records.record import Record
from data_prep.text.batch import Batch
from data_prep.topics.classifier import load

NOTE = "topic"


class TopicAnnotator(Rule):
    """Annotator that stands among the rules and has no test."""

    name, version = "topics", 1

    def __init__(self, profile: LanguageConfig, config: Config):
        super().__init__(profile, config)
        self.model, self.least = load(config.topics.model), config.topics.min_probability
        if self.model.language != profile.code:
            raise UserError(
                f"{config.topics.model} was learnt from {self.model.language} text, the source is {profile.code}; "
                "take topics"
                " out of its rules"
            )

    @classmethod
    def inputs(cls, profile: LanguageConfig, config: Config) -> list[Any]:
        """Settings of the question to the model, and the digest of its files."""
        return [asdict(config.topics), model_digest(config.topics.model, "topics.model", "topics")]

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield no test; the topic of each document that is alive stands in its notes."""
        topics = self.model.topics_of(batch, self.least)
        for place in np.flatnonzero(alive) if records else ():
            records[place].notes[NOTE] = topics[place]
        yield from ()
