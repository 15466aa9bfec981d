import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from common import manifest
from common.errors import UserError
from conf.schema.data import DataConfig
from data_prep.quality.classifier import BOOSTER, VOCABULARY, load
from data_prep.quality.degrade.degrade import degrade
from data_prep.quality.examples import collect_examples
from data_prep.quality.features.stylometric import MEANINGS, NAMES
from data_prep.quality.learn import Vocabularies, batches, features_of, fit, fold, labels_of, training_features
from data_prep.text.language import load_language
from tests.data_prep.quality.small import ROUNDS, articles
from tests.data_prep.quality.small import config as config
from tests.data_prep.quality.small import report as report

TEXTS = list(articles(180).values())[160:]


def test_it_tells_good_from_bad_on_other_text(config, report):
    classifier = load(config.model)
    good, bad = (
        classifier.probabilities(TEXTS),
        classifier.probabilities([degrade(text, "ocr", "LOW", "1") for text in TEXTS]),
    )
    assert good.shape == (20, 3) and good.dtype == np.float32 and np.allclose(good.sum(1), 1, atol=1e-5)
    low = [(probabilities.argmax(1) == 0).mean() for probabilities in (bad, good)]
    assert low[0] > 0.9 and low[0] - low[1] > 0.5  # of 20 texts each, whose words differ with the version of Python
    for name, models in report["sets"].items():
        assert set(models) == {"boosted trees", "random forest", "logistic regression", "MLP"}, name
    ours = report["sets"]["other documents"]["boosted trees"]
    assert ours["accuracy"] > 0.5 and ours["examples"] > 30  # three classes, learnt from 237 examples
    assert report["sets"][config.measured[0]]["boosted trees"]["classes"]["LOW"]["recall"] == 1


def test_a_batch_and_texts_have_the_same_probabilities(config, report):
    classifier = load(config.model)
    (batch,) = batches(TEXTS, classifier.profile)
    assert np.array_equal(classifier.probabilities_of(batch), classifier.probabilities(TEXTS))
    assert np.array_equal(classifier.probabilities(TEXTS[:1])[0], classifier.probabilities(TEXTS)[0])
    assert classifier.probabilities([]).shape == (0, 3)


def test_the_same_examples_make_the_same_classifier(config, report):
    examples, profile = collect_examples(config, DataConfig(), 0), load_language("en")
    vocabularies = Vocabularies(examples, profile)
    values = training_features(examples.train, profile, vocabularies)
    again = fit(values, labels_of(examples.train), 0, ROUNDS)
    there = load(config.model)
    assert np.array_equal(vocabularies.whole.entries, there.vocabulary.entries)
    assert again.get_dump() == there.booster.get_dump()


def test_no_training_text_is_judged_by_words_learnt_from_it(config, report):
    examples, profile = collect_examples(config, DataConfig(), 0), load_language("en")
    good = [example for example in examples.train if example.kind == "good"]
    vocabularies = Vocabularies(examples, profile)
    column = NAMES.index("unknown_words")
    learnt = training_features(good, profile, vocabularies)[:, column]
    naive = features_of([example.text for example in good], profile, vocabularies.whole)[:, column]
    others = [example.text for example in examples.held_out["other documents"] if example.kind == "good"]
    new = features_of(others, profile, vocabularies.whole)[:, column].mean()
    even = np.array([fold(example.group) % 2 == 0 for example in good])
    for chosen in (even, ~even):
        assert naive[chosen].mean() < new / 2 and abs(learnt[chosen].mean() - new) < new / 2


def test_the_folder_and_its_page(config, report):
    folder = Path(config.model)
    made = manifest.read(folder)
    assert made["files"] == manifest.digests(folder) and made["features"] == list(NAMES)
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 1 + len(report["sets"]) and all(name in page for name in NAMES)
    assert "http" not in page.replace("http://www.w3.org", "") and MEANINGS["stop_words"] in page
    assert json.loads((folder / "report.json").read_text()) == report
    assert np.load(folder / VOCABULARY, allow_pickle=False).dtype == np.uint32


def test_what_cannot_be_loaded_is_named(config, report, tmp_path):
    with pytest.raises(UserError, match="python -m jobs.quality"):
        load(tmp_path / "absent")
    broken = tmp_path / "broken"
    shutil.copytree(config.model, broken)
    with (broken / BOOSTER).open("ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match="booster.ubj is not as jobs.quality wrote it"):
        load(broken)
    made = manifest.read(config.model)
    manifest.write(broken, made | {"features": ["a"]})
    with pytest.raises(UserError, match="of these features"):
        load(broken)
