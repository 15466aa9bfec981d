"""The same documents as datatrove's readers give."""

import pyarrow
import pyarrow.parquet
import pytest

from data_prep.sources.readers import Form, read_documents


def test_jsonl_and_parquet(shared_data, tmp_path):
    readers = pytest.importorskip("datatrove.pipeline.readers")
    path = shared_data / "tr_general" / "train.jsonl.zst"
    ours = list(read_documents(path, Form()))
    theirs = list(readers.JsonlReader(str(path.parent), glob_pattern=path.name)())
    assert [(d.id, d.text) for d in ours] == [(d.id, d.text) for d in theirs]
    assert all(
        set(ours_read.fields) - {"id"} <= set(other.metadata) for ours_read, other in zip(ours, theirs, strict=True)
    )
    rows = {"id": [d.id for d in ours], "text": [d.text for d in ours]}
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "a.parquet", row_group_size=100)
    theirs = readers.ParquetReader(str(tmp_path))()
    assert [(d.id, d.text) for d in read_documents(tmp_path / "a.parquet", Form())] == [(d.id, d.text) for d in theirs]
