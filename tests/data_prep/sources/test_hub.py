import json

import pyarrow
import pyarrow.parquet
import pytest

from common.errors import UserError
from common.reading.bad import BadDocuments
from data_prep.sources.hub import Place
from data_prep.sources.inputs import kind_of, list_inputs, span_digest, stamp
from data_prep.sources.readers import Form, read_documents
from data_prep.sources.shards import plan_shards


def write(folder, number, rows):
    (folder / f"train-{number}.jsonl").write_text(
        "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    )


@pytest.fixture
def data_set(tmp_path):
    """A folder of data files: what `datasets` streams without a network."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(3):
        write(folder, number, [{"text": f"{number}.{row}", "key": row} for row in range(4)])
    return folder


def test_a_shard_of_the_data_set_is_a_unit_of_work(data_set):
    paths = list_inputs([f"hub:{data_set}", f"hub:{data_set},,train"])
    assert [str(path) for path in paths] == [f"hub:{data_set},,train,0000{number}-of-00003" for number in range(3)]
    shards = plan_shards(paths, 1 << 30)
    assert [[span.path for span in shard.spans] for shard in shards] == [[path] for path in paths]
    documents = [d for shard in shards for span in shard.spans for d in read_documents(span, Form(id_field="key"))]
    assert [d.text for d in documents] == [f"{number}.{row}" for number in range(3) for row in range(4)]
    assert [d.line for d in documents] == [1, 2, 3, 4] * 3 and documents[5].id == "1"
    assert next(read_documents(paths[1], Form())).id == f"{paths[1]}:1"
    assert kind_of(paths[0]) == ("hub", "") and stamp(paths[0]) == stamp(paths[2]) and len(span_digest(paths[0])) == 64


def test_bad_rows_are_counted_once(data_set):
    write(data_set, 0, [{"text": "x" * 60}, {"text": None}, {"text": "a\0b"}, {"text": "gut"}])
    write(data_set, 1, [{"text": "eins"}, '{"text": \n'])
    bad = BadDocuments("skip")
    form = Form(max_bytes=50, nul_bytes="bad")
    paths = list_inputs([f"hub:{data_set}"])
    assert [d.text for d in read_documents(paths[0], form, bad)] == ["gut"]
    assert bad.counts == {"too_long": 1, "no_text": 1, "nul_bytes": 1}
    read = [d.text for d in read_documents(paths[1], form, bad)]
    assert read in ([], ["eins"]) and bad.counts["broken_file"] == 1


def test_names():
    assert Place.parse("hub:org/name") == Place("org/name", "", "train")
    assert Place.parse("hub:org/name,tr,test") == Place("org/name", "tr", "test")
    assert Place.parse(str(Place.parse("hub:org/name,tr").path(2, 9))) == Place("org/name", "tr", "train", 2, 9)
    for wrong in ("hub:", "hub:a,b,c,d", "hub:a,b,c,1-of-2,e"):
        with pytest.raises(UserError, match="write hub:name"):
            Place.parse(wrong)


def test_what_cannot_be_opened_is_one_sentence(data_set):
    for name in (f"hub:{data_set},,test", f"hub:{data_set}/nowhere", "hub:nobody/nothing"):
        with pytest.raises(
            UserError, match=r"cannot be opened .*; mind its name, or mirror it with jobs.fetch"
        ) as error:
            list_inputs([name])
        assert "\n" not in str(error.value)


def test_columns_that_nobody_asks_for_are_not_read(tmp_path):
    folder = tmp_path / "dates"
    folder.mkdir()
    far = pyarrow.array([3_000_000, 1], pyarrow.date32())  # the first lies in the year 10183
    pyarrow.parquet.write_table(
        pyarrow.table({"text": ["a", "b"], "day": far, "n": [1, 2]}), folder / "train-0.parquet"
    )
    (path,) = list_inputs([f"hub:{folder}"])
    assert [document.text for document in read_documents(path, Form(), fields=())] == ["a", "b"]
    bad = BadDocuments("skip")
    list(read_documents(path, Form(), bad, fields=("day",)))
    assert bad.counts.total() == 1
