"""Filter rule topics, an annotator: writes what a document is about into its notes, and rejects nothing."""

from collections.abc import Iterator, Sequence

import numpy as np

from common.errors import UserError
from conf.schema.language import LanguageConfig
from conf.schema.quality import TopicsConfig
from data_prep.filters.rule import Test
from data_prep.records.record import Record
from data_prep.text.batch import Batch
from data_prep.topics.classifier import load

NOTE = "topic"


class TopicAnnotator:
    """Annotator that stands among the rules and has no test."""

    name = "topics"

    def __init__(self, config: TopicsConfig, profile: LanguageConfig):
        self.model, self.least = load(config.model), config.min_probability
        if self.model.language != profile.code:
            raise UserError(
                f"{config.model} was learnt from {self.model.language} text, the source is {profile.code}; take topics"
                " out of its rules"
            )

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield no test; the topic of each document that is alive stands in its notes."""
        topics = self.model.topics_of(batch, self.least)
        for place in np.flatnonzero(alive) if records else ():
            records[place].notes[NOTE] = topics[place]
        yield from ()
