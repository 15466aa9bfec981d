import shutil

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from common import manifest
from common.errors import UserError
from conf.schema.data import DataConfig
from conf.schema.quality import TopicsConfig
from data_prep.quality.learn import batches
from data_prep.text.batch import Batch
from data_prep.text.characters import lower
from data_prep.text.language import load_language
from data_prep.topics.classifier import OTHER, WEIGHTS, load
from data_prep.topics.learn import build, collect_labelled, fit
from data_prep.topics.words import most_frequent
from tests.data_prep.quality.small import articles, write

PROFILE = load_language("en")
TOPICS = ("numbers", "classes", "imports")
TELLING = ("integer float number digits", "class method instance attribute", "import module package loader")


def documents(count: int = 150) -> list[tuple[str, str, str]]:
    """Articles by which of a few words they have most of."""
    labelled = []
    for id, text in articles(count).items():
        hits = [sum(text.lower().count(word) for word in words.split()) for words in TELLING]
        labelled.append((id, TOPICS[int(np.argmax(hits))], text))
    return labelled


@pytest.fixture(scope="module")
def fitted():
    return fit(documents(), PROFILE, 800, 0)


def test_probabilities_are_those_of_scikit_learn(fitted):
    model, theirs = fitted
    (batch,) = batches(["", "zzz qqq", *[text for _, _, text in documents(40)]], PROFILE)
    ours = model.probabilities_of(batch)
    assert ours.shape == (42, 3) and np.abs(ours - theirs.predict_proba(model.tfidf(batch))).max() < 1e-6
    assert np.allclose(ours.sum(1), 1)


def test_weights_are_those_of_scikit_learn(fitted):
    model, _ = fitted
    texts = [text for _, _, text in documents()]
    vectorizer = TfidfVectorizer(
        vocabulary=model.words, token_pattern=r"(?u)\w+", lowercase=True, sublinear_tf=True
    ).fit(texts)
    theirs = vectorizer.transform(texts).toarray()
    ours = np.concatenate([model.tfidf(batch).toarray() for batch in batches(texts, PROFILE)])
    assert np.abs(ours - theirs).max() < 1e-9


def test_words_are_chosen_by_documents_and_in_the_casing_of_the_language():
    turkish = load_language("tr")
    texts = ["IŞIK ışık ışık 12 kaş", "ışık İÇİN için", "için kaş_1 12", "dağ"]
    words = most_frequent([Batch(texts[:2], turkish.casing), Batch(texts[2:], turkish.casing)], 10)
    assert words == ["için", "ışık"] and most_frequent([Batch(texts, turkish.casing)], 1) in (["için"], ["ışık"])
    assert lower("IŞIK", turkish.casing) == "ışık"


def test_saved_and_loaded_it_says_the_same(fitted, tmp_path):
    rows = [{"id": id, "topic": topic, "text": text} for id, topic, text in documents()]
    config = TopicsConfig(
        model=str(tmp_path / "model"), labelled=[write(tmp_path / "in.jsonl", rows)], language="en", vocabulary=800
    )
    report = build(config, DataConfig(), PROFILE, 0, {})
    train, held_out = collect_labelled(config, DataConfig())
    assert {id for id, _, _ in train}.isdisjoint(id for id, _, _ in held_out) and len(train) + len(held_out) == 150
    assert report["held_out"]["examples"] == len(held_out) and report["held_out"]["accuracy"] > 0.6
    model, loaded = fit(train, PROFILE, 800, 0)[0], load(config.model)
    (batch,) = batches([text for _, _, text in held_out], PROFILE)
    assert np.array_equal(model.probabilities_of(batch), loaded.probabilities_of(batch))
    page = (tmp_path / "model" / "report.html").read_text()
    assert (
        all(topic in page for topic in TOPICS) and page.count("<svg") == 1 and "import" in report["telling"]["imports"]
    )
    shutil.copytree(config.model, tmp_path / "broken")
    (tmp_path / "broken" / WEIGHTS).write_bytes(b"x")
    with pytest.raises(UserError, match="weights.npz is not as jobs.topics wrote it"):
        load(tmp_path / "broken")
    manifest.write(tmp_path / "broken", manifest.read(config.model) | {"kind": "quality"})
    with pytest.raises(UserError, match="holds no topic classifier"):
        load(tmp_path / "broken")


def test_what_is_improbable_is_other(fitted):
    model, _ = fitted
    probabilities = np.array([[0.5, 0.3, 0.2], [0.34, 0.33, 0.33]])
    assert model.names(probabilities, 0.4) == ["classes", OTHER]
    assert set(model.topics_of(Batch([text for _, _, text in documents(20)]), 1.01)) == {OTHER}


def test_mistakes_are_named(tmp_path):
    with pytest.raises(UserError, match="python -m jobs.topics"):
        load(tmp_path)
    rows = [{"id": str(n), "text": "a", "topic": "ab"[n % 2]} for n in range(100)]
    with pytest.raises(UserError, match="has 2 topics with 10 documents or more; it takes at least 3"):
        collect_labelled(TopicsConfig(labelled=[write(tmp_path / "two.jsonl", rows)]), DataConfig())
    with pytest.raises(UserError, match="line 1 has no 'subject'"):
        collect_labelled(TopicsConfig(labelled=[str(tmp_path / "two.jsonl")], label_field="subject"), DataConfig())
