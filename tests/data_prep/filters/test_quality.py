import dataclasses

import numpy as np
import pytest

from common.errors import UserError
from conf.schema.quality import QualityConfig
from conf.schema.root import Config
from data_prep.filters.quality import Quality
from data_prep.quality.classifier import load
from data_prep.quality.degrade.degrade import degrade
from data_prep.records.record import Record
from data_prep.text.batch import Batch
from data_prep.text.language import load_language
from tests.data_prep.quality.small import articles
from tests.data_prep.quality.small import config as config
from tests.data_prep.quality.small import report as report

GOOD = list(articles(170).values())[160:]
TEXTS = GOOD + [degrade(text, "joined_words", "LOW", "1") for text in GOOD]


def judged(config, alive=None):
    profile = load_language("en")
    records = [Record(str(place), text, "s", "", "", "en", "f", place) for place, text in enumerate(TEXTS)]
    batch = Batch(TEXTS, profile.casing)
    alive = np.ones(len(batch), bool) if alive is None else alive
    return list(Quality(profile, Config(quality=config)).judge(batch, alive, records)), records


def test_bad_text_is_rejected_and_all_have_notes(config, report):
    (test,), records = judged(config)
    probabilities = load(config.model).probabilities(TEXTS)
    assert test.name == "quality/below_label" and np.array_equal(test.rejected, probabilities.argmax(1) == 0)
    assert test.rejected[10:].mean() >= 0.9 and test.rejected[:10].mean() <= 0.2
    assert np.allclose(test.values, probabilities[:, 1:].sum(1), atol=1e-6)
    for record, row in zip(records, probabilities, strict=True):
        assert record.notes["quality"] == ("LOW", "MEDIUM", "HIGH")[row.argmax()]
        assert np.allclose(record.notes["quality_probabilities"], row, atol=1e-4)


def test_only_the_living_are_looked_at(config, report):
    alive = np.arange(len(TEXTS)) % 2 == 0
    (test,), records = judged(config, alive)
    (whole,), _ = judged(config)
    assert np.array_equal(test.rejected, whole.rejected & alive)
    assert [bool(record.notes) for record in records] == alive.tolist()


def test_a_higher_label_and_a_probability_reject_more(config, report):
    (medium,), _ = judged(config)
    strict = dataclasses.replace(config, min_label="HIGH", min_probability=0.9)
    (high, improbable), _ = judged(strict)
    assert (high.rejected >= medium.rejected).all() and improbable.name == "quality/improbable"
    assert (
        np.array_equal(improbable.rejected, improbable.values < 0.9) and improbable.limit == "P(HIGH or better) < 0.9"
    )


def test_mistakes_are_named(config, report, tmp_path):
    with pytest.raises(UserError, match="python -m jobs.quality"):
        Quality(load_language("en"), Config(quality=QualityConfig(model=str(tmp_path))))
    with pytest.raises(UserError, match="learnt from en text, the source is tr"):
        Quality(load_language("tr"), Config(quality=config))
