"""`jobs.corpus` from files to documents: what was planted is found, everything is accounted for, and array tasks change
nothing."""

import copy
import json
from collections import Counter
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import digest
from conf.schema.corpus import SourceConfig
from data_prep.corpus.publish import balance
from data_prep.records.record import from_line
from data_prep.records.zst import read
from data_prep.tokenizer.backends import load_reference
from jobs import corpus
from tests.data_prep.corpus.conftest import FILES, LEAK, MAIL


def documents(output: Path) -> dict:
    """Kept records by id."""
    return {
        record.id: record for path in sorted(output.glob("documents/*/*.zst")) for record in map(from_line, read(path))
    }


def dropped(output: Path) -> dict[str, str]:
    """Reason by id."""
    lines = [json.loads(line) for path in output.glob("stages/*/*/dropped.jsonl.zst") for line in read(path)]
    return {line["id"]: line["reason"] for line in lines}


def fingerprint(output: Path) -> dict[str, str]:
    """Digests of what people and later jobs read."""
    paths = [*output.glob("documents/*/*"), output / "funnel.json"]
    return {str(path.relative_to(output)): digest(path) for path in paths}


def test_what_was_planted_is_found_and_the_rest_is_left_as_it_was(config, planted):
    made = corpus.run(config)
    kept, out = documents(Path(config.corpus.output)), dropped(Path(config.corpus.output))
    ids = {record["id"]: record for record in planted}
    copied = {twin for name in ids if name.startswith("copy") for twin in (name, name.replace("copy", "doc"))}
    assert made["read"] == len(planted) + 1 and made["kept"] == len(kept)
    assert set(kept) | set(out) == set(ids) and not set(kept) & set(out)
    for name in ids:
        reason, twin = out.get(name, ""), name.replace("copy", "doc").replace("near", "doc")
        if name.startswith("copy"):  # the first of two in the order of the files stays
            assert "duplicates/exact" in (reason, out.get(twin))
        elif name.startswith("junk"):
            assert reason.startswith("gopher_quality/")
        assert reason != "duplicates/exact" or name in copied
    near = [name for name in ids if name.startswith("near")]
    dropped_near = sum("duplicates/near" in (out.get(name), out.get(name.replace("near", "doc"))) for name in near)
    assert dropped_near >= 0.8 * len(near) > 0
    for name, record in kept.items():
        text = ids[name]["text"]
        if MAIL in text:
            assert "<EMAIL>" in record.text and "example.org" not in record.text
        elif LEAK in text:
            assert LEAK not in record.text and record.text[:100] == text.strip()[:100]
        assert (record.source, record.licence, record.language) == ("docs", "PSF", "en")
        assert record.notes == {"number": ids[name]["number"]}
        assert record.url == ids[name].get("url", "") and Path(record.file).read_text().splitlines()[
            record.line - 1
        ].count(f'"{name}"')
    untouched = [name for name, record in kept.items() if record.text == ids[name]["text"]]
    plain = [name for name in kept if MAIL not in ids[name]["text"] and LEAK not in ids[name]["text"]]
    assert len(untouched) >= 0.9 * len(plain)


def test_every_document_is_accounted_for_by_rule_and_source(config, planted):
    corpus.run(config)
    funnel = json.loads((Path(config.corpus.output) / "funnel.json").read_text())
    text = json.dumps(funnel)
    assert '"read/invalid_json": 1' in text
    reasons = Counter(reason for reason in dropped(Path(config.corpus.output)).values())
    for reason, count in reasons.items():
        assert f'"{reason}": {count}' in text, reason
    assert (Path(config.corpus.output) / "funnel.html").stat().st_size > 10_000


def test_a_step_that_loses_a_document_is_noticed(config):
    corpus.run(config)
    output = Path(config.corpus.output)
    units = sorted(path.parent.name for path in output.glob("stages/curate/*/counts.json"))
    curated, written = [
        [json.loads((output / "stages" / stage / unit / "counts.json").read_text()) for unit in units]
        for stage in ("curate", "write")
    ]
    balance(curated, written)
    wrong = copy.deepcopy(curated)
    wrong[0]["steps"][2]["documents_out"] -= 1
    with pytest.raises(AssertionError, match="gopher_quality let out"):
        balance(wrong, written)
    wrong = copy.deepcopy(written)
    wrong[-1]["kept"] += 1
    with pytest.raises(AssertionError, match="wrote"):
        balance(curated, wrong)


def with_everything(config, embedder: Path) -> None:
    """Semantic duplicates too, in several cells, and tokens counted."""
    config.corpus.semantic.enabled, config.corpus.semantic.cells = True, 3
    config.corpus.semantic.model, config.corpus.semantic.threshold = str(embedder), 0.95
    config.corpus.tokenizer = str(embedder)


def test_what_means_the_same_goes_once(config, embedder):
    with_everything(config, embedder)
    corpus.run(config)
    output = Path(config.corpus.output)
    out = [json.loads(line) for path in output.glob("stages/write/*/dropped.jsonl.zst") for line in read(path)]
    meant = [line for line in out if line["reason"] == "duplicates/semantic"]
    assert meant and all(line["repeats"] < line["document"] for line in meant)
    total = json.loads((output / "funnel.json").read_text())["total"]["steps"]
    assert total[-1]["tokens_out"] == sum(len(ids) for ids in tokens(embedder, documents(output)))


def tokens(folder: Path, kept: dict) -> list[list[int]]:
    """Ids by the library `tokenizers`."""
    return [
        encoding.ids
        for encoding in load_reference(folder).encode_batch(
            [record.text for record in kept.values()], add_special_tokens=False
        )
    ]


@pytest.mark.parametrize(("array_tasks", "workers"), [(3, 1), (7, 2)])
def test_array_tasks_and_parts_change_no_byte(config, folder, embedder, array_tasks, workers):
    with_everything(config, embedder)
    corpus.run(config)
    other = copy.deepcopy(config)
    other.corpus.output, other.corpus.array_size, other.cluster.workers = str(folder / "other"), array_tasks, workers
    other.corpus.duplicates.parts = array_tasks
    for array_task in range(array_tasks):  # as an array would, the last array task first
        other.corpus.stage, other.corpus.array_task = "curate", array_tasks - 1 - array_task
        corpus.run(other)
    other.corpus.stage = other.corpus.array_task = None
    corpus.run(other)
    assert fingerprint(folder / "other") == fingerprint(Path(config.corpus.output))


def test_a_second_run_does_nothing_and_a_changed_input_only_its_own(config, folder):
    corpus.run(config)
    output = Path(config.corpus.output)
    before = {path.name: path.stat().st_mtime_ns for path in (output / "stages" / "curate").iterdir()}
    assert len(before) == FILES
    corpus.run(config)
    assert {path.name: path.stat().st_mtime_ns for path in (output / "stages" / "curate").iterdir()} == before
    path = folder / "texts" / "part_7.jsonl"
    gone, *rest = path.read_text().splitlines(True)
    assert json.loads(gone)["id"] in documents(output).keys() | dropped(output).keys()
    path.write_text("".join(rest))
    corpus.run(config)
    after = {path.name: path.stat().st_mtime_ns for path in (output / "stages" / "curate").iterdir()}
    assert sum(after[name] != before[name] for name in before) == 1
    assert json.loads(gone)["id"] not in documents(output).keys() | dropped(output).keys()
    path.unlink()
    config.corpus.stage = "write"
    with pytest.raises(UserError, match="without corpus.stage"):
        corpus.run(config)
    config.corpus.stage = None
    corpus.run(config)
    assert not any(record.file == str(path) for record in documents(output).values())


def test_documents_of_others_stay(config, folder, tmp_path, capsys):
    corpus.run(config)
    output = Path(config.corpus.output)
    ours = sorted(output.glob("documents/docs/*"))
    (output / "documents" / "mine").mkdir()
    for path in (output / "documents" / "mine" / "00000.jsonl.zst", output / "documents" / "docs" / "mine.jsonl.zst"):
        path.write_text("do not lose")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "00000.jsonl.zst").write_text("do not lose")
    (output / "documents" / "linked").symlink_to(theirs)
    (folder / "texts" / "part_7.jsonl").unlink()
    corpus.run(config)
    assert sorted(output.glob("documents/docs/0*")) == ours[:-1]  # ours of inputs that are gone go
    left = ["docs/mine.jsonl.zst", "linked/00000.jsonl.zst", "mine/00000.jsonl.zst"]
    assert all((output / "documents" / name).read_text() == "do not lose" for name in left)
    told = capsys.readouterr().err.replace("\n", "")
    assert (
        "mine/00000.jsonl.zst was not written by jobs.corpus" in told and "docs/mine.jsonl.zst was not written" in told
    )


def test_documents_behind_a_link_stay(config, folder, tmp_path):
    """Even those that carry the names of ours."""
    corpus.run(config)
    home = Path(config.corpus.output) / "documents" / "docs"
    home.rename(tmp_path / "theirs")
    home.symlink_to(tmp_path / "theirs")
    before = sorted(path.name for path in home.iterdir())
    (folder / "texts" / "part_7.jsonl").unlink()
    corpus.run(config)
    assert sorted(path.name for path in (tmp_path / "theirs").iterdir()) == before


@pytest.mark.parametrize(
    "name", ["thesis.txt", "documents/docs/00000.jsonl.zst", "stages/curate/docs-00000/thesis.txt"]
)
def test_a_folder_of_others_is_not_written_into(config, name):
    path = Path(config.corpus.output) / name
    path.parent.mkdir(parents=True)
    path.write_text("do not lose")
    if not name.startswith("stages"):
        with pytest.raises(UserError, match="jobs.corpus"):
            corpus.run(config)
    assert path.read_text() == "do not lose"
    (Path(config.corpus.output) / "stages").mkdir(exist_ok=True)
    if name.startswith("documents"):
        with pytest.raises(UserError, match="00000.jsonl.zst was not written by jobs.corpus; move it"):
            corpus.run(config)
    else:
        corpus.run(config)
    assert "do not lose" in [
        file.read_text() for file in Path(config.corpus.output).rglob(path.name) if file.suffix in (".txt", ".zst")
    ]


def test_another_threshold_judges_again(config):
    corpus.run(config)
    kept = len(documents(Path(config.corpus.output)))
    config.corpus.languages = {"en": {"rules": {"gopher_quality": {"min_words": 100}}}}
    corpus.run(config)
    assert 0 < len(documents(Path(config.corpus.output))) < kept


def test_another_length_of_shingles_marks_every_shard_again(config):
    corpus.run(config)
    folder = Path(config.corpus.output) / "stages" / "curate"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    config.corpus.languages = {"en": {"shingle": 40}}
    corpus.run(config)
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert before.keys() == after.keys() and all(after[name] != before[name] for name in before)


def test_a_damaged_result_is_made_again(config):
    corpus.run(config)
    output = Path(config.corpus.output)
    before = fingerprint(output)
    victim = sorted(output.glob("documents/docs/*"))[0]
    victim.write_bytes(victim.read_bytes()[:-7])
    next(output.glob("stages/curate/*/kept.jsonl.zst")).unlink()
    corpus.run(config)
    assert fingerprint(output) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.corpus.sources.clear(), "corpus.sources is empty"),
        (lambda c: c.corpus.sources.update(none=SourceConfig(inputs=[])), "corpus.sources.none.inputs is empty"),
        (lambda c: c.corpus.sources.update({"a/b": SourceConfig(inputs=["x"])}), "letters, digits and _"),
        (
            lambda c: c.corpus.sources.update(far=SourceConfig(inputs=["/no/such/place"])),
            "/no/such/place does not exist",
        ),
        (lambda c: setattr(c.corpus.sources["docs"], "language", "tt"), "conf/data/language/tt.yaml"),
        (lambda c: setattr(c.corpus, "rules", ["gopher_qality"]), "gopher_quality"),
        (lambda c: setattr(c.corpus, "cleaning", ["nfd"]), "nfd"),
        (lambda c: setattr(c.corpus, "stage", "curat"), "did you mean 'curate'"),
        (lambda c: setattr(c.corpus, "languages", {"tr": {}}), "no source has this language"),
        (lambda c: setattr(c.corpus, "languages", {"en": {"rules": {"gopher_quality": {"min_wrds": 1}}}}), "min_wrds"),
        (lambda c: setattr(c.corpus, "rules", ["quality"]), "jobs.quality"),
        (lambda c: setattr(c.corpus.semantic, "enabled", True), "jobs.embedder"),
        (lambda c: setattr(c.corpus, "tokenizer", "no/tokenizer"), "corpus.tokenizer"),
        (lambda c: setattr(c.corpus.contamination, "inputs", ["no/evaluation.jsonl"]), "no/evaluation.jsonl"),
        (
            lambda c: setattr(c.corpus, "languages", {"en": {"rules": {"gopher_quality": {"min_words": 10**6}}}}),
            "no document is left",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(config, change, message):
    change(config)
    with pytest.raises(UserError, match=message) as error:
        corpus.run(config)
    assert "\n" not in str(error.value)
