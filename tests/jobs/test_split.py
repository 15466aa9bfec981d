"""`python -m jobs.split`: every document on one side, by its text alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from conf.schema.split import SplitConfig
from data_prep.records.zst import read
from data_prep.split import is_validation
from jobs import split
from jobs.launch.compose import compose, to_config


@pytest.fixture
def config(tmp_path):
    texts = [f"document {number} of the court" for number in range(400)] + ["a copy"] * 5
    with (tmp_path / "text.jsonl").open("w") as file:
        file.writelines(json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(texts))
    return to_config(
        compose(
            "split",
            [f"data.inputs=[{tmp_path}/text.jsonl]", f"split.output={tmp_path}/split", "split.validation_share=0.1"],
        )
    )


def sides(config) -> dict[str, list[dict]]:
    from pathlib import Path

    return {
        side: [json.loads(line) for line in read(Path(config.split.output) / f"{side}.jsonl.zst")]
        for side in ("train", "validation")
    }


def test_every_document_is_on_one_side_and_copies_together(config):
    made = split.run(config)
    found = sides(config)
    assert sorted(int(one["id"]) for side in found.values() for one in side) == list(range(405))
    assert {side: made["counts"][f"{side}.jsonl.zst"]["documents"] for side in found} == {
        side: len(one) for side, one in found.items()
    }
    assert 20 <= len(found["validation"]) <= 60
    assert not {one["text"] for one in found["train"]} & {one["text"] for one in found["validation"]}
    assert split.run(config) == made


def test_text_that_is_added_moves_nothing(config, tmp_path):
    split.run(config)
    before = {one["text"] for one in sides(config)["validation"]}
    with (tmp_path / "text.jsonl").open("a") as file:
        file.writelines(
            json.dumps({"id": f"new {number}", "text": f"new text {number}"}) + "\n" for number in range(100)
        )
    config.split.output = str(tmp_path / "again")
    split.run(config)
    assert before <= {one["text"] for one in sides(config)["validation"]}


@pytest.mark.parametrize(
    ("share", "message"),
    [(0.0, "leaves one side empty"), (1.0, "leaves one side empty"), (1e-9, "no document falls on")],
)
def test_an_empty_side_is_refused(config, share, message):
    config.split.validation_share = share
    with pytest.raises(UserError, match=message):
        split.run(config)


def test_another_share_in_the_same_folder_is_refused(config):
    split.run(config)
    config.split.validation_share = 0.2
    with pytest.raises(UserError, match="validation_share=0.1, now 0.2"):
        split.run(config)


@given(st.text(), st.floats(0.01, 0.99))
def test_a_larger_share_holds_out_more_and_none_less(text, share):
    if is_validation(text, SplitConfig(validation_share=share / 2)):
        assert is_validation(f" {text}\n", SplitConfig(validation_share=share))
