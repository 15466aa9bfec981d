"""Prepared tokens are checked before training: bytes, tokenizer, vocabulary."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from common.errors import UserError
from model.training.data.tokens import open_tokens, stamp


@pytest.fixture
def copy(corpus, tmp_path) -> Path:
    """A corpus that may be harmed."""
    return Path(shutil.copytree(corpus, tmp_path / "copy"))


def open_copy(folder: Path, vocab_size: int = 320, **arguments):
    return open_tokens(folder / "tokens", folder / "tokenizer", vocab_size, **arguments)


def test_documents_are_found(copy):
    tokens = open_copy(copy)
    assert len(tokens.lengths) == 120
    assert tokens.lengths.sum() == len(tokens.ids) == tokens.manifest["tokens"]
    cls, sep = tokens.ids[0], tokens.ids[tokens.lengths[0] - 1]
    for start, length in zip(tokens.starts, tokens.lengths, strict=True):
        assert (tokens.ids[start], tokens.ids[start + length - 1]) == (cls, sep)


def test_documents_of_several_sequences_stay_whole(copy, write_tokens, monkeypatch):
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    whole = IndexedDatasetBuilder.add_document
    cut = lambda self, ids, lengths: whole(self, ids, [3, len(ids) - 3])  # noqa: E731
    monkeypatch.setattr(IndexedDatasetBuilder, "add_document", cut)
    shutil.rmtree(copy / "tokens")
    write_tokens(copy / "tokens", [list(range(10)), list(range(10, 15))], copy / "tokenizer", 300)
    tokens = open_copy(copy)
    assert tokens.starts.tolist() == [0, 10]
    assert tokens.lengths.tolist() == [10, 5]


def test_counts(copy, monkeypatch):
    monkeypatch.setattr("model.training.data.tokens.BLOCK", 100)  # many blocks
    tokens = open_copy(copy)
    assert tokens.counts(320).tolist() == np.bincount(np.asarray(tokens.ids), minlength=320).tolist()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


@pytest.mark.parametrize("name", ["tokens.bin", "tokens.idx"])
@pytest.mark.parametrize("harm", [flip, truncate])
def test_broken_bytes_are_refused(copy, name, harm):
    harm(copy / "tokens" / name)
    with pytest.raises(UserError, match=f"tokens/{name} is broken.*run jobs.prepare again"):
        open_copy(copy)


def test_a_file_checked_before_is_not_read_again_unless_it_changed(copy):
    checked = stamp(copy / "tokens")
    broken = json.loads((copy / "tokens" / "manifest.json").read_text())
    broken["files"]["tokens.bin"] = "0" * 64
    (copy / "tokens" / "manifest.json").write_text(json.dumps(broken))
    open_copy(copy, checked=checked)  # not compared
    truncate(copy / "tokens" / "tokens.bin")
    with pytest.raises(UserError, match="tokens.bin is broken"):
        open_copy(copy, checked=checked)


@pytest.mark.parametrize("name", ["tokens.bin", "tokens.idx", "manifest.json"])
def test_missing_files_are_named(copy, name):
    (copy / "tokens" / name).unlink()
    with pytest.raises(UserError, match=name):
        open_copy(copy)


def test_another_tokenizer_is_refused(copy):
    file = copy / "tokenizer" / "tokenizer.json"
    file.write_text(file.read_text().replace("[MASK]", "[MASC]"))
    with pytest.raises(UserError, match="was tokenised with another tokenizer than .*tokenizer.json"):
        open_copy(copy)


def test_a_net_with_too_few_rows_is_refused(copy):
    with pytest.raises(
        UserError, match=r"model.vocab_size=64 is smaller than the vocabulary .*; set model.vocab_size=\d+"
    ):
        open_copy(copy, vocab_size=64)


def test_a_manifest_of_something_else_is_refused(copy):
    (copy / "tokens" / "manifest.json").write_text('{"kind": "corpus"}')
    with pytest.raises(UserError, match="is not the manifest of prepared tokens"):
        open_copy(copy)
