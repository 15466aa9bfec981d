import pytest

from conf.schema.endpoint import RecycleConfig
from data_prep.recycling.band import judge


def notes(label, low, medium, high):
    return {"quality": label, "quality_probabilities": [low, medium, high]}


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (notes("HIGH", 0.1, 0.3, 0.6), "high"),
        (notes("HIGH", 0.1, 0.2, 0.7), "high"),
        (notes("HIGH", 0.1, 0.1, 0.8), "outside"),
        (notes("HIGH", 0.3, 0.3, 0.4), "outside"),
        (notes("MEDIUM", 0.1, 0.8, 0.1), "medium"),
        (notes("MEDIUM", 0.3, 0.4, 0.3), "outside"),
        (notes("LOW", 0.6, 0.2, 0.2), "outside"),
        ({}, "unscored"),
        ({"quality": "HIGH"}, "unscored"),
        ({"quality": "HIGH", "quality_probabilities": [0.6]}, "unscored"),
        ({"quality": "GOOD", "quality_probabilities": [0.1, 0.3, 0.6]}, "unscored"),
    ],
)
def test_the_middle_band(note, why):
    verdict = judge("kısa", note, RecycleConfig())
    assert (verdict.why, verdict.chosen) == (why, why in ("high", "medium"))


def test_long_documents_are_left_alone():
    config = RecycleConfig(max_characters=10)
    assert judge("x" * 10, notes("MEDIUM", 0, 1, 0), config).chosen
    assert judge("x" * 11, notes("MEDIUM", 0, 1, 0), config).why == "too_long"
    assert judge("x" * 11, notes("LOW", 1, 0, 0), config).why == "outside", "counted once, for what comes first"
