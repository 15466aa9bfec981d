import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from data_prep.quality.measures import by_kind, figures


def test_figures_are_those_of_scikit_learn():
    draw = np.random.default_rng(3)
    truth = draw.integers(0, 3, 500)
    probabilities = draw.dirichlet([1, 1, 1], 500)
    probabilities[np.arange(500), truth] += 0.3
    probabilities /= probabilities.sum(1, keepdims=True)
    ours, guess = figures(probabilities, truth, ["a", "b", "c"]), probabilities.argmax(1)
    assert ours["confusion"] == confusion_matrix(truth, guess).tolist()
    theirs = precision_recall_fscore_support(truth, guess)
    for place, name in enumerate("abc"):
        assert list(ours["classes"][name].values()) == [
            theirs[3][place],
            *(pytest.approx(theirs[k][place], abs=1e-4) for k in range(3)),
        ]
    assert ours["macro_f1"] == pytest.approx(theirs[2].mean(), abs=1e-4)
    assert ours["accuracy"] == pytest.approx((guess == truth).mean(), abs=1e-4)


def test_calibration_of_honest_and_of_boastful_probabilities():
    draw = np.random.default_rng(0)
    sure = draw.uniform(0.5, 1, 20_000)
    right = draw.random(20_000) < sure
    honest = np.stack([sure, 1 - sure], 1)
    assert figures(honest, (~right).astype(int), ["a", "b"])["calibration"]["error"] < 0.02
    boast = np.tile([0.99, 0.01], (20_000, 1))
    calibration = figures(boast, (~right).astype(int), ["a", "b"])["calibration"]
    assert calibration["error"] == pytest.approx(0.24, abs=0.02) and calibration["bins"][-1]["count"] == 20_000


def test_by_kind():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    table = by_kind(probabilities, ["a", "a", "b"], ["x", "x", "y"], ["a", "b"])
    assert table == {"x, a": {"examples": 2, "a": 0.5, "b": 0.5}, "y, b": {"examples": 1, "a": 0.0, "b": 1.0}}


def test_an_empty_set_has_figures():
    assert figures(np.empty((0, 3)), np.empty(0, np.int64), ["a", "b", "c"])["accuracy"] == 0
