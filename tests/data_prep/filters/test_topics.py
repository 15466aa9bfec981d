import numpy as np
import pytest

from common.errors import UserError
from conf.schema.data import DataConfig
from conf.schema.quality import TopicsConfig
from conf.schema.root import Config
from data_prep.filters.topics import TopicAnnotator
from data_prep.records.record import Record
from data_prep.text.batch import Batch
from data_prep.text.language import load_language
from data_prep.topics.classifier import load
from data_prep.topics.learn import build
from tests.data_prep.quality.small import write


def test_topics_stand_in_the_notes_of_the_living(tmp_path):
    words = {"law": "court judge statute appeal", "sea": "ship harbour wave sailor", "food": "bread soup onion kitchen"}
    rows = [
        {"id": f"{topic}{n}", "topic": topic, "text": f"the {some.split()[n % 4]} and the {some.split()[(n + 1) % 4]}"}
        for topic, some in words.items()
        for n in range(20)
    ]
    config = TopicsConfig(
        model=str(tmp_path / "model"), labelled=[write(tmp_path / "in.jsonl", rows)], language="en", held_out_share=0.1
    )
    profile = load_language("en")
    build(config, DataConfig(), profile, 0, {})
    texts = ["a judge of the court", "dead", "a wave and a ship", ""]
    records = [Record(str(place), text, "s", "", "", "en", "f", place) for place, text in enumerate(texts)]
    annotator = TopicAnnotator(profile, Config(topics=config))
    assert annotator.name == "topics"
    assert list(annotator.judge(Batch(texts), np.array([True, False, True, True]), records)) == []
    expected = load(config.model).topics_of(Batch(texts), config.min_probability)
    assert [record.notes for record in records] == [{"topic": "law"}, {}, {"topic": "sea"}, {"topic": expected[3]}]
    with pytest.raises(UserError, match="learnt from en text, the source is tr"):
        TopicAnnotator(load_language("tr"), Config(topics=config))
