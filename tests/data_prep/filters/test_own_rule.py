"""A new rule is one file and one line: it runs in a real corpus, is counted in its funnel, and its version invalidates
its verdicts."""

import json
from pathlib import Path

import pytest

from common.errors import UserError
from data_prep.filters.registry import RULES
from jobs import corpus
from tests.data_prep.corpus.conftest import config as config
from tests.data_prep.corpus.conftest import folder as folder
from tests.data_prep.corpus.conftest import planted as planted
from tests.data_prep.corpus.conftest import texts as texts
from tests.data_prep.filters.own_rule import Vowels


@pytest.fixture
def own_config(config, monkeypatch):
    """The small corpus with the rule vowels after another one; the registry has its line."""
    monkeypatch.setitem(RULES, "vowels", f"{Vowels.__module__}.{Vowels.__name__}")
    config.corpus.rules = ["gopher_quality", "vowels"]
    config.corpus.languages = {"en": {"rules": {"vowels": {"min_share": 0.28}}}}
    return config


def funnel(config) -> dict:
    return json.loads((Path(config.corpus.output) / "funnel.json").read_text())


def times(config, stage: str) -> dict[str, int]:
    return {
        path.name: path.stat().st_mtime_ns
        for path in (Path(config.corpus.output) / "stages" / stage).iterdir()
        if path.is_dir()
    }


def test_a_rule_of_one_file_runs_and_is_counted(own_config):
    corpus.run(own_config)
    total = funnel(own_config)["total"]
    (step,) = [step for step in total["steps"] if step["step"] == "vowels"]
    dropped = step["dropped"]["vowels/too_few"]
    assert 0 < dropped < step["documents_in"] and step["documents_in"] - dropped == step["documents_out"]
    (histogram,) = [measure for measure in funnel(own_config)["histograms"] if measure["test"] == "vowels/too_few"]
    assert histogram["limit"] == "share of vowels < 0.28" and sum(histogram["counts"]) == step["documents_in"]


def test_another_version_of_it_judges_again_and_says_so(own_config, monkeypatch, capsys):
    corpus.run(own_config)
    before, written = times(own_config, "curate"), times(own_config, "write")
    corpus.run(own_config)
    assert times(own_config, "curate") == before
    capsys.readouterr()
    monkeypatch.setattr(Vowels, "version", 2)
    corpus.run(own_config)
    after = times(own_config, "curate")
    assert after.keys() == before.keys() and not any(after[name] == before[name] for name in before)
    said = " ".join(capsys.readouterr().err.split())
    assert "rule vowels is of version 2 now, and 8 of 8 results of the stage curate were made by version 1" in said
    assert times(own_config, "write") == written  # the same verdicts: what comes after is left as it is


def test_a_rule_that_is_not_used_invalidates_nothing(own_config, monkeypatch):
    own_config.corpus.rules = ["gopher_quality"]
    corpus.run(own_config)
    before = times(own_config, "curate")
    monkeypatch.setattr(Vowels, "version", 2)
    corpus.run(own_config)
    assert times(own_config, "curate") == before


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"vowels": {"min_share": 1.5}}, "corpus.languages.en.rules.vowels.min_share=1.5 is a share"),
        (
            {"vowels": {"min_shre": 0.5}},
            "corpus.languages.en.rules.vowels.min_shre is no key of the rule.*did you mean 'min_share'",
        ),
        ({"vowels": {"min_share": "x"}}, "corpus.languages.en.rules.vowels.min_share=x is no number"),
        (
            {"vowel": {"min_share": 0.5}},
            "corpus.languages.en.rules.vowel: there is no rule 'vowel'.*did you mean 'vowels'",
        ),
    ],
)
def test_its_settings_are_typed_and_in_range(own_config, section, message):
    own_config.corpus.languages = {"en": {"rules": section}}
    with pytest.raises(UserError, match=message):
        corpus.run(own_config)
