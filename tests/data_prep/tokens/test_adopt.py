import numpy as np
import pytest

from common.errors import UserError
from data_prep.tokens.adopt import adopt
from data_prep.tokens.indexed import write_index


@pytest.fixture
def old(tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    np.arange(12, dtype=np.uint16).tofile(folder / "text.bin")
    with (folder / "text.idx").open("wb") as file:
        write_index(file, np.dtype(np.uint16), lambda: [np.array([3, 4, 5])])
    (tmp_path / "new").mkdir()
    return folder


def take(old, prefix="text", vocab_size=500):
    return adopt(str(old / prefix), old.parent / "new", vocab_size, lambda _: None)


@pytest.mark.parametrize("prefix", ["text", "text.bin", "text.idx"])
def test_a_pair_is_taken_over_without_copying(old, prefix):
    adopted = take(old, prefix)
    new = old.parent / "new"
    assert (adopted["documents"], adopted["tokens"], adopted["dtype"]) == (3, 12, "uint16")
    assert (new / "tokens.bin").samefile(old / "text.bin") and (new / "tokens.idx").samefile(old / "text.idx")
    assert sorted(path.name for path in new.iterdir()) == ["tokens.bin", "tokens.idx"]
    take(old, prefix)
    assert sorted(path.name for path in new.iterdir()) == ["tokens.bin", "tokens.idx"]


def test_what_does_not_fit_is_named(old):
    with pytest.raises(UserError, match="token 11, and data.tokenizer has ids 0 to 10"):
        take(old, vocab_size=11)
    with pytest.raises(UserError, match="there is no .*other.bin"):
        take(old, "other")
    with (old / "text.bin").open("ab") as file:
        file.write(b"\0\0")
    with pytest.raises(UserError, match="does not fit its .bin of 26 bytes .it describes 24"):
        take(old)


def test_several_sequences_a_document_and_empty_ones_are_refused(old):
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    cases = {
        "several sequences a document .1 of 1": [[5, 7]],
        "several sequences a document .1 of 3 documents, the first of them number 3": [[5], [7], [12, 0]],
        "an empty document .1 of 1": [[0]],
        "an empty document .1 of 1 documents": [[]],  # no sequence at all, as preprocess_data.py writes a blank line
        "an empty document .2 of 4 documents, the first of them number 2": [[5], [], [7], []],
        "an empty document .1 of 2": [[3, 4], [0, 0]],
    }
    for message, documents in cases.items():
        builder = IndexedDatasetBuilder(str(old / "text.bin"), dtype=np.uint16)
        for lengths in documents:
            builder.add_document(np.arange(sum(lengths)), lengths)
        builder.finalize(str(old / "text.idx"))
        with pytest.raises(UserError, match=message):
            take(old)


def test_an_index_without_documents_and_one_that_leaves_sequences_out_are_refused(old):
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    for ended, message in (
        (False, "is damaged: its documents do not follow one another over its 1 sequences"),
        (None, "holds no document"),
    ):
        builder = IndexedDatasetBuilder(str(old / "text.bin"), dtype=np.uint16)
        if ended is False:
            builder.add_document(np.arange(4), [4])
            builder.document_indices.insert(1, 0)
            builder.document_indices[-1] = 0
        builder.finalize(str(old / "text.idx"))
        with pytest.raises(UserError, match=message):
            take(old)
