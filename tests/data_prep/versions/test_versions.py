"""What is kept on disk carries the version of what made it; another behaviour without another version fails here."""

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from conf.schema.root import Config
from data_prep.filters.c4 import C4
from data_prep.filters.rule import Test as Verdict
from data_prep.records.record import Record
from data_prep.text.batch import Batch
from tests.data_prep.versions import of_rules
from tests.data_prep.versions.behaviours import measure_all
from tests.data_prep.versions.table import complaints, read_golden


@pytest.fixture(scope="module")
def current():
    return measure_all()


def test_behaviours_are_those_on_record(current):
    assert not (wrong := complaints(read_golden(), current)), "\n".join(wrong)


class Mended(C4):
    """The rule c4, which takes two sentences more to be enough."""

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Verdict]:
        count = self.sentences(batch)
        yield Verdict("c4/few_sentences", count, count < self.settings.min_sentences + 2, "sentences < 2 more")


def test_a_mended_rule_must_raise_its_version(current):
    mended = {**current, "rule c4": of_rules.entry(Mended, Config())}
    (complaint,) = complaints(current, mended)
    assert "rule c4 makes something else of the sample, and its version is still" in complaint
    assert "raise its version in tests/data_prep/versions/test_versions.py" in complaint
    assert complaints(current, mended, recording=True) == [complaint]
    mended["rule c4"]["version"] += 1
    assert complaints(current, mended, recording=True) == []
    (complaint,) = complaints(current, mended)
    assert "another digest than on record" in complaint


def test_a_stage_follows_its_rules_and_nothing_else(current):
    changed = copy.deepcopy(current)
    changed["stage write"]["digest"] = "sha256:0"
    (complaint,) = complaints(current, changed)
    assert complaint.startswith("stage write makes something else")
    changed["rule fineweb"]["version"] += 1
    assert complaints(current, changed, recording=True) == []


def test_versions_only_rise_and_new_ones_are_recorded(current):
    changed = copy.deepcopy(current)
    changed["tokens"]["version"] -= 1
    changed["rule new"] = changed.pop("rule url")
    wrong = complaints(current, changed)
    assert any("rule url is gone" in line for line in wrong) and any(
        "rule new is not in the table" in line for line in wrong
    )
    assert any("tokens: its version went from" in line and "back to" in line for line in wrong)
