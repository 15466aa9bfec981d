"""Columns of a .parquet that nobody asks for may hold what they like; those that are asked for are read, or the row is
bad."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import UserError
from common.reading.bad import BadDocuments
from conf.schema import DataConfig
from conf.schema.duplicates import ContaminationConfig
from conf.schema.quality import QualityConfig, TopicsConfig
from data_prep.sources.readers import Span, read_documents
from jobs.launch.compose import compose, spelled_out, to_config

TEXTS = ["law " * 60, "court " * 60]
BEYOND = 3_000_000  # days after 1970: the year 10183


class Strange(pa.ExtensionType):
    """A type that only its writer knows."""

    def __init__(self):
        super().__init__(pa.int64(), "mine.strange")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        return cls()


def no_utf8() -> pa.Array:
    offsets, data = pa.py_buffer(b"\0\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"\xff\xfea")
    return pa.StringArray.from_buffers(2, offsets, data)


COLUMNS: dict[str, Callable[[], pa.Array]] = {
    "far_date": lambda: pa.array([BEYOND, 1], pa.date32()),
    "far_time": lambda: pa.array([BEYOND * 86_400_000_000, 1], pa.timestamp("us")),
    "zone": lambda: pa.array([1, 2], pa.timestamp("us", tz="Mars/Phobos")),
    "nanoseconds": lambda: pa.array([1, 2], pa.timestamp("ns")),
    "long_ago": lambda: pa.array([-BEYOND, 1], pa.date32()),
    "nested": lambda: pa.array([[{"day": BEYOND}], []], pa.list_(pa.struct([("day", pa.date32())]))),
    "map": lambda: pa.array([[("a", BEYOND)], []], pa.map_(pa.string(), pa.date32())),
    "large_decimal": lambda: pa.array([1, 2], pa.decimal256(70, 3)),
    "duration": lambda: pa.array([2**62, 1], pa.duration("s")),
    "words": lambda: pa.array(["a", "b"]).dictionary_encode(),
    "half": lambda: pa.array([1.5, 2.5], pa.float16()),
    "bytes": lambda: pa.array([b"\xff", b""], pa.binary()),
    "strange": lambda: pa.ExtensionArray.from_storage(Strange(), pa.array([1, 2])),
    "no_utf8": no_utf8,
}
UNREADABLE = ("far_date", "far_time", "zone", "nested", "map", "long_ago", "duration")


@pytest.fixture(scope="session")
def odd(tmp_path_factory) -> Path:
    """A .parquet with two documents and every odd column."""
    file = tmp_path_factory.mktemp("odd") / "odd.parquet"
    by_column = {
        "text": pa.array(TEXTS),
        "id": pa.array(["a", "b"]),
        "label": pa.array(["HIGH", "LOW"]),
        "language": pa.array(["tr", "en"]),
    }
    pq.write_table(pa.table(by_column | {name: make() for name, make in COLUMNS.items()}), file)
    return file


def test_every_reader_takes_what_it_needs_alone(odd, tmp_path):
    """What each job reads of its files, through the function that it reads them by."""
    from data_prep.decontamination.evaluation_texts import read_texts
    from data_prep.mixture.topics import _topics_of
    from data_prep.quality.examples import _good, _read
    from data_prep.quickstart.collect import from_files
    from data_prep.topics.learn import _read as read_topics
    from jobs.tokenizer import _read as read_sample

    inputs = [str(odd)]
    data = DataConfig(inputs=inputs)
    assert [example.label for example in _read(QualityConfig(labelled=inputs), data, inputs)] == ["HIGH", "LOW"]
    assert len(list(_good(QualityConfig(good=inputs), data))) == 2
    assert [topic for _, topic, _ in read_topics(TopicsConfig(labelled=inputs, label_field="label"), data)] == [
        "HIGH",
        "LOW",
    ]
    assert [text for _, text in read_texts(ContaminationConfig(inputs, ["text", "label"]))] == [
        TEXTS[0],
        "HIGH",
        TEXTS[1],
        "LOW",
    ]
    assert _topics_of(Span(odd), {"settings": {"text_field": "text"}}, "label") == {1: "HIGH", 2: "LOW"}
    gathered = from_files(odd.parent, [odd], data, BadDocuments(), 1e9)
    assert len(gathered.texts) == 2 and not gathered.passed_over
    texts, languages, counts = read_sample(to_config(compose("tokenizer", [f"data.inputs=['{odd}']"])), [odd])
    assert (len(texts), sorted(languages), counts["documents"]) == (2, ["en", "tr"], 2)


def run(job: str, *overrides: str):
    import importlib

    return importlib.import_module(f"jobs.{job}").run(
        to_config(compose(job, [spelled_out(override) for override in overrides]))
    )


def corpus_of(odd: Path, output: Path, *more: str) -> list[dict]:
    """The documents that `jobs.corpus` makes of the file."""
    import zstandard

    given = [
        f"corpus.sources.web.inputs=['{odd}']",
        f"corpus.output={output}",
        "corpus.rules=[]",
        "corpus.duplicates.near=false",
    ]
    run("corpus", *given, "corpus.on_bad_document=error", *more)
    files = sorted(output.glob("documents/**/*.jsonl.zst"))
    lines = b"".join(zstandard.ZstdDecompressor().stream_reader(file.open("rb")).read() for file in files).splitlines()
    return [json.loads(line) for line in lines]


def test_a_corpus_reads_the_columns_that_it_carries_along(odd, tmp_path):
    plain = corpus_of(odd, tmp_path / "plain")
    assert [(record["id"], record["text"]) for record in plain] == [("a", TEXTS[0].strip()), ("b", TEXTS[1].strip())]
    kept = ["words", "half", "large_decimal", "label", "bytes"]
    with_fields = corpus_of(odd, tmp_path / "kept", f"corpus.sources.web.keep_fields=[{','.join(kept)}]")
    assert [[record[name] for name in kept[:4]] for record in with_fields] == [
        ["a", 1.5, "1.000", "HIGH"],
        ["b", 2.5, "2.000", "LOW"],
    ]


def test_splits_and_tokens_too(odd, tmp_path, small_tokenizer):
    run(
        "split",
        f"data.inputs=['{odd}']",
        f"split.output={tmp_path}/split",
        "split.validation_share=0.5",
        "split.seed=1",
    )
    run("prepare", f"data.inputs=['{odd}']", f"data.tokenizer={small_tokenizer}", f"data.tokens={tmp_path}/tokens")
    counts = [json.loads((tmp_path / made / "manifest.json").read_text()) for made in ("split", "tokens")]
    assert [side["documents"] for side in counts[0]["counts"].values()] == [1, 1] and counts[1]["documents"] == 2


@pytest.mark.parametrize("column", UNREADABLE)
def test_a_column_that_is_asked_for_and_has_no_value_makes_the_row_bad(odd, column):
    bad = BadDocuments("skip")
    read = list(read_documents(odd, DataConfig(), bad, fields=(column,)))
    assert len(read) + bad.counts.total() == 2 and set(bad.counts) == {"unreadable_field"}
    assert (
        f"row 1 has what cannot be read in the column '{column}' (" in bad.examples[0] and "\n" not in bad.examples[0]
    )
    with pytest.raises(
        UserError,
        match=f"row 1 has what cannot be read in the column '{column}' .*; mend it, or pass over such documents",
    ):
        list(read_documents(odd, DataConfig(), BadDocuments(), fields=(column,)))


def test_so_is_an_id(odd, tmp_path):
    bad = BadDocuments("skip")
    assert [
        document.text for document in read_documents(odd, DataConfig(id_field="far_date"), bad, fields=())
    ] == TEXTS[1:]
    assert bad.counts == {"unreadable_field": 1}


@pytest.mark.parametrize("column", sorted(set(COLUMNS) - {*UNREADABLE, "no_utf8"}))
def test_what_can_be_read_is(odd, column):
    assert len(list(read_documents(odd, DataConfig(), BadDocuments(), fields=(column,)))) == 2
