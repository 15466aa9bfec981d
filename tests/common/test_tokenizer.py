"""Special tokens around a document: of a template, of the settings, and where a vocabulary has no letters."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, models, processors

from common.errors import UserError
from common.tokenizer import DocumentTokenizer


def write(folder, single=None, settings=None):
    """The letters x and y, no others, behind the special tokens <a>, <b> and <|endoftext|>, in a template."""
    tokenizer = Tokenizer(models.BPE({"<a>": 0, "<b>": 1, "<|endoftext|>": 2, "x": 3, "y": 4}, []))
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in ("<a>", "<b>", "<|endoftext|>")])
    if single:
        tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=[("<a>", 0), ("<b>", 1)])
    tokenizer.enable_truncation(1)
    tokenizer.save(str(folder / "tokenizer.json"))
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder / "tokenizer.json"


@pytest.mark.parametrize(
    ("single", "settings", "around"),
    [
        (None, None, ([], [], [2])),
        ("<a> $A <b>", {"eos_token": "<|endoftext|>"}, ([0], [1], [1])),
        ("<a> $A", None, ([0], [], [2])),
        ("<a> $A", {"eos_token": "<b>"}, ([0], [], [1])),
        (None, {"eos_token": {"content": "<a>"}}, ([], [], [0])),
        (None, {"eos_token": "absent"}, ([], [], [])),
        (None, {"eos_token": None}, ([], [], [2])),
    ],
)
def test_around_a_document(tmp_path, single, settings, around):
    tokenizer = DocumentTokenizer.read(write(tmp_path, single, settings), "mend it")
    assert (tokenizer.before, tokenizer.after, tokenizer.end) == around
    assert tokenizer.document("yxx").tolist() == [*around[0], 4, 3, 3, *around[2]]
    assert tokenizer.document("y<a>x", add_special_tokens=False).tolist() == [4, 3]
    assert [coding.ids for coding in tokenizer.encode(["x", "", "y"])] == [[3], [], [4]]


def test_what_cannot_be_read_is_named_with_the_mend(tmp_path):
    with pytest.raises(UserError, match=r"tokenizer.json does not exist; mend it"):
        DocumentTokenizer.read(tmp_path / "tokenizer.json", "mend it")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"tokenizer.json is not a tokenizer .*; mend it"):
        DocumentTokenizer.read(tmp_path / "tokenizer.json", "mend it")
    write(tmp_path, settings={})
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(UserError, match=r"tokenizer_config.json is not valid JSON"):
        DocumentTokenizer.read(tmp_path / "tokenizer.json", "mend it")
