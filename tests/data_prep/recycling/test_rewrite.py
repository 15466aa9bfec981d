"""With the classifier of `jobs.quality`, and the notes that its rule leaves."""

import numpy as np
import pytest

from conf.schema import Config
from conf.schema.endpoint import EndpointConfig, RecycleConfig
from data_prep.endpoint.client import Endpoint
from data_prep.filters.quality import Quality
from data_prep.quality.classifier import load
from data_prep.quality.degrade.degrade import degrade
from data_prep.records.record import Record, to_line
from data_prep.recycling.rewrite import Recycler
from data_prep.sources.readers import Form, read_documents
from data_prep.text.batch import Batch
from data_prep.text.language import load_language
from tests.data_prep.quality.small import articles
from tests.model_server import model_server, text_of


@pytest.fixture
def scored(classifier, tmp_path):
    """Bad texts with the notes of the rule quality, and the good text that each came from."""
    good = list(articles(180).values())[160:]
    origin = {degrade(text, "joined_words", "LOW", "1"): text for text in good}
    records = [Record(str(number), text, "s", "", "", "en", "f", number) for number, text in enumerate(origin)]
    profile = load_language("en")
    rule = Quality(profile, Config(quality=classifier))
    list(rule.judge(Batch(list(origin), profile.casing), np.ones(len(origin), bool), records))
    for record in records:
        record.notes["quality"] = "MEDIUM"  # the classifier is sure that they are LOW, which nobody would rewrite
    (tmp_path / "kept.jsonl").write_bytes(b"".join(map(to_line, records)))
    return tmp_path / "kept.jsonl", origin


def test_text_that_is_mended_scores_better(classifier, scored, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    file, origin = scored
    with model_server(lambda body, _: origin[text_of(body).split("\n\n", 1)[1]]) as server:
        settings = RecycleConfig(medium_from=0.0, min_gain=0.1)
        with Endpoint(EndpointConfig(url=server.url), tmp_path / "answers", "recycle") as endpoint:
            recycler = Recycler(settings, endpoint, "reader", load(classifier.model), lambda _: None)
            kept = list(recycler.run(read_documents(file, Form())))
    assert recycler.counts["chosen"] == len(origin) == 20 and recycler.counts["failed"] == 0
    before, after = (
        load(classifier.model).probabilities(texts)[:, 2] for texts in (list(origin), list(origin.values()))
    )
    assert [int(record["recycled_from"]) for record in kept] == np.flatnonzero(after - before > 0.1).tolist()
    assert len(kept) == recycler.counts["better"] > len(origin) / 2
    for record in kept:
        assert record["quality_probabilities"][2] > record["quality_probabilities_before"][2] + 0.0999
        assert record["text"] in origin.values() and record["recycled_from"] + "#recycled" == record["id"]
    assert recycler.report()["gain_of_high"]["mean"] > 0.1


def test_text_that_is_made_worse_is_not_kept(classifier, scored, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    file, origin = scored
    with (
        model_server(lambda *_: "1 | 2 | 3 | 4 |\n" * 100) as server,
        Endpoint(EndpointConfig(url=server.url), tmp_path / "answers", "recycle") as endpoint,
    ):
        recycler = Recycler(
            RecycleConfig(medium_from=0.0, min_gain=0.1), endpoint, "reader", load(classifier.model), lambda _: None
        )
        assert not list(recycler.run(read_documents(file, Form())))
    assert recycler.counts["not_better"] == len(origin)
