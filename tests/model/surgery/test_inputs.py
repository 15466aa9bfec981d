"""Models to merge: which are of one kind."""

import json

import pytest
from tokenizers import Tokenizer, models

from common.errors import UserError
from model.surgery.average import combine, uniform
from model.surgery.inputs import model_in


def test_tokenizers_are_compared_by_what_they_are(make_model, draw, tmp_path):
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2, "ba": 3}, [("a", "b"), ("b", "a")]))
    form = json.loads(tokenizer.to_str())
    form["model"]["merges"] = ["a b", "b a"]
    first, last = (
        make_model("one", draw(0), tokenizer=tokenizer.to_str()),
        make_model("last", draw(1), tokenizer=json.dumps(form)),
    )
    combine([model_in(first), model_in(last)], uniform(2), tmp_path / "whole")
    assert (tmp_path / "whole" / "tokenizer.json").read_bytes() == (last / "tokenizer.json").read_bytes()
    form["model"]["merges"] = ["b a", "a b"]
    (last / "tokenizer.json").write_text(json.dumps(form))
    with pytest.raises(
        UserError,
        match=r"one and .*last have different tokenizers \(tokenizer.json\): merge 0 is 'a b' and 'b a'; only",
    ):
        combine([model_in(first), model_in(last)], uniform(2), tmp_path / "out")
    (last / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"different tokenizers \(tokenizer.json\): only .*one has one"):
        combine([model_in(first), model_in(last)], uniform(2), tmp_path / "out")
    assert not (tmp_path / "out").exists()
