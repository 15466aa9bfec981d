"""References in a configuration, and what they stand for offline. Mirrors are made by hand here;
tests/jobs/test_fetch.py has real ones."""

from pathlib import Path

import pytest

from common import manifest
from common.artefacts import KEYS, TOKENIZER, Reference, cache_folder, localise, missing, parse, resolve
from common.errors import UserError
from common.files import write_json
from conf.schema import Config
from conf.schema.check import keys
from data_prep.sources.inputs import kind_of, list_inputs

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def mirror(cache: Path, reference: Reference, patterns: list[str], files: dict[str, str]) -> Path:
    """What `jobs.fetch` leaves of a repository."""
    place = reference.folder(cache) / "snapshots" / COMMIT
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    sizes = {path: len(text) for path, text in files.items()}
    write_json(reference.record(cache), manifest.describe("mirror", commit=COMMIT, patterns=patterns, files=sizes))
    return place


def config(cache: Path, **data) -> Config:
    made = Config()
    made.fetch.cache = str(cache)
    made.tokenizer.compare = data.pop("compare", None)
    for name, value in data.items():
        setattr(made.data, name, value)
    return made


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("hf://org/name", Reference("model", "org/name")),
        ("hf://models/org/name@v1.0", Reference("model", "org/name", "v1.0")),
        ("hf://datasets/org/name", Reference("dataset", "org/name")),
        (f"hf://datasets/org/name@{COMMIT}/data/*.parquet", Reference("dataset", "org/name", COMMIT, "data/*.parquet")),
        ("hf://datasets/org/name@refs/pr/3/x.jsonl", Reference("dataset", "org/name", "refs/pr/3", "x.jsonl")),
    ],
)
def test_a_reference_is_read_and_written(text, reference):
    assert parse(text) == reference
    assert parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    ["hf://", "hf://name", "hf://spaces/org/name", "hf://org/name/../x", "hf://org/name@", "hf://buckets/org/name"],
)
def test_what_is_no_reference_is_told_how_to_be_one(text):
    with pytest.raises(UserError, match=r"write hf://\[datasets/\]org/name\[@revision\]\[/path\]"):
        parse(text)


def test_the_keys_are_in_the_schema_and_read_what_is_mirrored_for_them():
    assert set(KEYS) <= set(keys(Config))
    assert all(kind_of(pattern) for pattern in KEYS["data.inputs"])


def test_a_local_path_stays(tmp_path):
    assert resolve("some/folder") == Path("some/folder")
    made = config(tmp_path, tokenizer="a/b", inputs=["x", "y/*.txt"])
    assert localise(made) is made
    assert missing(made) == []


def test_a_mirrored_reference_becomes_the_path_of_its_commit(tmp_path):
    text = {
        "README.md": "card",
        "a.jsonl": "{}",
        "deep/b.jsonl": "{}",
        "notes/c.txt": "c",
        "merges.txt": "of a tokenizer",
    }
    data = mirror(tmp_path, Reference("dataset", "org/text"), [*KEYS["data.inputs"], "notes/c.txt"], text)
    tok = mirror(tmp_path, Reference("model", "org/tok", "v1"), list(TOKENIZER), {"tokenizer.json": "{}"})
    inputs = ["mine", "hf://datasets/org/text"]
    made = config(tmp_path, tokenizer="hf://org/tok@v1", inputs=inputs, compare="hf://org/tok@v1")
    assert missing(made) == []
    local = localise(made)
    assert local.data.tokenizer == local.tokenizer.compare == str(tok)
    assert local.data.inputs == ["mine", f"{data}/**/*.jsonl"]
    assert list_inputs(local.data.inputs[1:]) == [data / "a.jsonl", data / "deep/b.jsonl"], "no README, no vocabulary"
    assert made.data.inputs == inputs, "the configuration given is left alone"


@pytest.mark.parametrize(
    ("path", "found"), [("deep", "deep/**/*.jsonl"), ("x.md", "x.md"), ("deep/*.jsonl", "deep/*.jsonl")]
)
def test_a_path_inside(tmp_path, path, found):
    reference = Reference("dataset", "org/text", path=path)
    patterns = reference.patterns(KEYS["data.inputs"])
    place = mirror(tmp_path, reference, patterns, {"deep/b.jsonl": "{}", "x.md": "x"})
    assert localise(config(tmp_path, inputs=[str(reference)])).data.inputs == [f"{place}/{found}"]


def spoil_nothing_was_fetched(place: Path, record: Path) -> None:
    record.unlink()


def spoil_other_files_were_fetched(place: Path, record: Path) -> None:
    write_json(record, manifest.describe("mirror", commit=COMMIT, patterns=["*.safetensors"], files={}))


def spoil_a_file_was_cut_off(place: Path, record: Path) -> None:
    (place / "tokenizer.json").write_text("{")


def spoil_a_file_was_removed(place: Path, record: Path) -> None:
    (place / "tokenizer.json").unlink()


@pytest.mark.parametrize(
    "spoil",
    [spoil_nothing_was_fetched, spoil_other_files_were_fetched, spoil_a_file_was_cut_off, spoil_a_file_was_removed],
)
def test_what_is_not_whole_is_missing_and_the_command_is_named(tmp_path, spoil):
    reference = Reference("model", "org/tok")
    place = mirror(tmp_path, reference, list(TOKENIZER), {"tokenizer.json": "{}"})
    made = config(tmp_path, tokenizer="hf://org/tok")
    assert missing(made) == []
    spoil(place, reference.record(tmp_path))
    assert missing(made) == ["hf://org/tok"]
    with pytest.raises(UserError) as error:
        localise(made)
    command = "python -m jobs.fetch data.tokenizer=hf://org/tok"
    assert (
        str(error.value) == f"data.tokenizer: hf://org/tok is not in {tmp_path}; where there is internet run: {command}"
    )


def test_the_command_for_an_artefact_of_no_key(tmp_path):
    with pytest.raises(UserError, match=r"python -m jobs\.fetch 'fetch\.datasets=\[hf://datasets/org/text\]'"):
        resolve("hf://datasets/org/text", cache=tmp_path)
    with pytest.raises(UserError, match=r"python -m jobs\.fetch 'fetch\.models=\[hf://org/tok\]'"):
        resolve("hf://org/tok", cache=tmp_path)


def test_the_cache_is_the_one_of_the_hub_library():
    from huggingface_hub.constants import HF_HUB_CACHE

    assert cache_folder() == Path(HF_HUB_CACHE).absolute()
    assert cache_folder("~/elsewhere") == Path.home() / "elsewhere"
