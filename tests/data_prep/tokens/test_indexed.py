"""Against Megatron-Core's own builder and reader."""

import numpy as np
import pytest
from megatron.core.datasets.indexed_dataset import DType, IndexedDataset, IndexedDatasetBuilder

from common.errors import UserError
from data_prep.tokens.indexed import Digest, read_index, token_dtype, write_index


def build(folder, lengths, dtype):
    builder = IndexedDatasetBuilder(str(folder / "peer.bin"), dtype=dtype)
    draw = np.random.default_rng(0)
    documents = [draw.integers(0, 500, n) for n in lengths]
    for ids in documents:
        builder.add_document(ids, [len(ids)])
    builder.finalize(str(folder / "peer.idx"))
    return documents


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("parts", [[[3, 1, 70_000]], [[5], [], [2, 2, 9], [1]], [[], []]])
def test_the_index_is_that_of_the_builder(tmp_path, dtype, parts):
    build(tmp_path, sum(parts, []), dtype)
    with (tmp_path / "ours.idx").open("wb") as file:
        seen = Digest(file)
        write_index(seen, np.dtype(dtype), lambda: (np.array(part, np.int32) for part in parts))
    assert (tmp_path / "ours.idx").read_bytes() == (tmp_path / "peer.idx").read_bytes()
    assert seen.size == (tmp_path / "peer.idx").stat().st_size
    index = read_index(tmp_path / "peer.idx")
    assert index.dtype == dtype and index.lengths.tolist() == sum(parts, []) and index.tokens == sum(sum(parts, []))


def test_blocks_of_the_index_do_not_show(tmp_path, monkeypatch):
    lengths = list(range(1, 50))
    build(tmp_path, lengths, np.uint16)
    monkeypatch.setattr("data_prep.tokens.indexed.BLOCK", 7)
    with (tmp_path / "ours.idx").open("wb") as file:
        write_index(file, np.dtype(np.uint16), lambda: [np.array(lengths)])
    assert (tmp_path / "ours.idx").read_bytes() == (tmp_path / "peer.idx").read_bytes()


def test_megatron_reads_the_index(tmp_path):
    documents = build(tmp_path, [4, 2, 8], np.int32)
    with (tmp_path / "peer.idx").open("wb") as file:
        write_index(file, np.dtype(np.int32), lambda: [np.array([4, 2, 8])])
    assert [ids.tolist() for ids in IndexedDataset(str(tmp_path / "peer"))] == [ids.tolist() for ids in documents]


@pytest.mark.parametrize("size", [300, 65_499, 65_500, 65_536, 250_000])
def test_the_dtype_is_megatrons(size):
    assert token_dtype(size) == DType.optimal_dtype(size)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-8], "is damaged"),
        (lambda raw: raw + b"\0", "is damaged"),
        (lambda raw: b"PK" + raw[2:], "is not an index of Megatron-Core"),
        (lambda raw: raw[:20], "is not an index of Megatron-Core"),
        (lambda raw: raw[:9] + b"\2" + raw[10:], "has version 2"),
        (lambda raw: raw[:17] + b"\6" + raw[18:], "has version 1 and dtype code 6"),
        (lambda raw: raw + b"\0\0\0", "is of images and text"),
    ],
)
def test_a_damaged_index_is_named(tmp_path, damage, message):
    build(tmp_path, [4, 2, 8], np.uint16)
    (tmp_path / "x.idx").write_bytes(damage((tmp_path / "peer.idx").read_bytes()))
    with pytest.raises(UserError, match="x.idx " + message):
        read_index(tmp_path / "x.idx")
