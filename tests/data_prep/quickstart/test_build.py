"""The quickstart's data from end to end: installed packages, a user's folder, a given retrieval set, and what is
refused."""

import gzip
import json
import random
import sysconfig
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from common.errors import UserError
from common.retrieval.load import load_retrieval
from conf.schema import Config
from data_prep.quickstart.beir import write_set
from data_prep.quickstart.build import build_quickstart
from data_prep.quickstart.pairs import Pair
from tests.data_prep.reference import words


def config(tmp_path: Path, folder: Path | None = None) -> Config:
    made = Config()
    made.quickstart.folder = str(folder) if folder else None
    made.quickstart.output, made.data.retrieval = str(tmp_path / "out" / "corpus"), str(tmp_path / "out" / "retrieval")
    made.cluster.workers = 1
    return made


def write_guides(folder: Path, count: int = 80, sections: int = 8) -> Path:
    """Markdown with ``sections`` headings of random words each."""
    draw = random.Random(0)
    for number in range(count):
        text = "\n\n".join(f"## {words(draw, 5)}\n\n{words(draw, 120)}." for _ in range(sections))
        (folder / f"{number}.md").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.md").write_text(text)
    return folder


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def standard(tmp_path_factory):
    """The standard library's docstrings, with a limit so that not all of it is read."""
    folder = tmp_path_factory.mktemp("standard")
    made = config(folder)
    made.quickstart.max_train_bytes, made.quickstart.max_queries = 350_000, 100
    roots = [Path(sysconfig.get_paths()["stdlib"])]
    return made, roots, build_quickstart(made, roots)


def test_docstrings_of_the_standard_library(standard):
    made, _, manifest = standard
    train = lines(Path(made.quickstart.output, "train.jsonl"))
    sets = load_retrieval(made.data.retrieval)
    assert manifest["texts"]["train"]["kept"] == len(train) > 200
    assert manifest["bytes"]["train"] == sum(len(text["text"].encode()) for text in train) <= 350_000
    assert {split: manifest["pairs"][split]["kept"] for split in sets} == {
        split: len(part.query_ids) for split, part in sets.items()
    }
    assert min(len(part.query_ids) for part in sets.values()) >= 20 and len(sets["test"].query_ids) <= 100
    assert all(len(part.query_ids) == len(part.doc_ids) for part in sets.values())
    packages = manifest["packages"]
    assert {text["group"] for text in train} <= set(packages["train"])
    for split, part in sets.items():
        assert {name.split(".")[0] for name in part.doc_ids} <= set(packages[split])
    assert not {"test", "idlelib.idle_test", "site-packages"} & {name for names in packages.values() for name in names}
    report = Path(made.quickstart.output, "report.txt").read_text()
    assert "kept + dropped = read" in report and report.count("query ") >= 3


def test_a_second_run_does_nothing_and_a_damaged_or_changed_one_begins_again(standard, capsys):
    made, roots, manifest = standard
    train = Path(made.quickstart.output, "train.jsonl")
    before = train.stat().st_mtime_ns
    assert build_quickstart(made, roots)["key"] == manifest["key"]
    assert train.stat().st_mtime_ns == before and "are there" in capsys.readouterr().err
    bytes_before = train.read_bytes()
    queries = Path(made.data.retrieval, "test", "queries.jsonl")
    whole = queries.read_bytes()
    queries.write_bytes(whole[:-5])
    made.cluster.workers = 2
    build_quickstart(made, roots)
    assert queries.read_bytes() == whole and train.read_bytes() == bytes_before


def test_own_folder_is_split_by_file(tmp_path):
    made = config(tmp_path, write_guides(tmp_path / "mine"))
    manifest = build_quickstart(made)
    sets = load_retrieval(made.data.retrieval)
    assert manifest["grouped_by"] == "document" and manifest["groups"] == {"train": 57, "dev": 6, "test": 17}
    files = {split: {name.split("#")[0] for name in part.doc_ids} for split, part in sets.items()}
    assert not files["train"] & files["test"] and not files["train"] & files["dev"] and not files["dev"] & files["test"]
    assert len(sets["train"].query_ids) == 57 * 8 and sets["train"].query_texts[0] in (
        tmp_path / "mine" / "0.md"
    ).read_text() + "".join(path.read_text() for path in (tmp_path / "mine").iterdir())
    assert len(manifest["inputs"]) == 80
    (tmp_path / "mine" / "0.md").write_text("changed " * 100)
    assert build_quickstart(made)["key"] != manifest["key"]


def test_a_given_retrieval_set_is_used_as_it_is(tmp_path):
    folder = write_guides(tmp_path / "mine")
    write_set(folder / "set", [(f"d{i}", Pair(f"query number {i}", f"document number {i}")) for i in range(40)])
    made = config(tmp_path, folder)
    manifest = build_quickstart(made)
    assert (Path(made.data.retrieval) / "queries.jsonl").read_bytes() == (folder / "set" / "queries.jsonl").read_bytes()
    assert manifest["given_set"] == str(folder / "set") and manifest["texts"]["train"]["read"] == 80
    assert not any("document number" in text["text"] for text in lines(Path(made.quickstart.output, "train.jsonl")))


def test_a_folder_with_nothing_but_a_set_trains_on_its_corpus(tmp_path):
    draw = random.Random(0)
    (tmp_path / "mine").mkdir()
    write_set(tmp_path / "mine" / "set", [(f"d{i}", Pair(words(draw, 6), words(draw, 150))) for i in range(600)])
    made = config(tmp_path, tmp_path / "mine")
    made.data.text_field = "content"  # the set has its own field names
    assert build_quickstart(made)["texts"]["train"]["kept"] == 600


def test_a_published_set_beside_its_readme_is_trained_on_and_read_by_the_evaluation(tmp_path, capsys):
    """Packed, in parquet, judged for the test alone, with documents that are not there, as the hub has such sets."""
    draw, mine = random.Random(0), tmp_path / "mine"
    documents = [{"_id": f"d{number}", "title": None, "text": words(draw, 150)} for number in range(600)]
    (mine / "corpus").mkdir(parents=True)
    (mine / "qrels").mkdir()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(documents), mine / "corpus/corpus-00000-of-00001.parquet")
    queries = "".join(json.dumps({"_id": f"q{number}", "text": words(draw, 6)}) + "\n" for number in range(60))
    (mine / "queries.jsonl.gz").write_bytes(gzip.compress(queries.encode()))
    (mine / "qrels/test.tsv").write_text("".join(f"q{n}\td{n}\t1.0\n" for n in range(60)) + "q0\tgone\t1\n")
    (mine / "README.md").write_text("# A set")
    (mine / "figure.png").write_text("x")
    made = config(tmp_path, mine)
    manifest = build_quickstart(made)
    said = " ".join(capsys.readouterr().err.split())
    assert "train from test" in said and "does not have, which count as never found, as in trec_eval: 1 (gone)" in said
    assert "quickstart.folder: files of kinds that are not read: 1 .png; such as" in said
    assert manifest["texts"]["train"]["kept"] == 600 and manifest["passed_over"] == {
        "files of a kind that is not read (.png)": 1
    }
    assert sum(len(part.query_ids) for part in load_retrieval(made.data.retrieval).values()) == 60
    assert "1 files of a kind that is not read (.png)" in Path(made.quickstart.output, "report.txt").read_text()
    assert load_retrieval(made.data.retrieval) == load_retrieval(mine)


def test_a_given_set_that_cannot_be_read_is_refused_before_anything_is_made(tmp_path):
    folder = write_guides(tmp_path / "mine")
    write_set(folder / "set", [(f"d{i}", Pair(f"query number {i}", f"document number {i}")) for i in range(40)])
    with (folder / "set/qrels.tsv").open("a") as file:
        file.write("q-d1\td2\tyes\n")
    with pytest.raises(UserError, match=r"set/qrels.tsv line 42 needs three columns"):
        build_quickstart(config(tmp_path, folder))
    assert not (tmp_path / "out").exists()


def test_a_small_set_wants_text_and_no_pairs_and_that_is_enough(tmp_path):
    write_set_of = [(f"d{i}", Pair(f"query number {i}", f"document number {i}")) for i in range(40)]
    (tmp_path / "mine").mkdir()
    write_set(tmp_path / "mine/set", write_set_of)
    with pytest.raises(
        UserError,
        match=r"gave 0.00 MB for training; lay 0.2 MB or more of text of its kind beside the retrieval set .*mine/set$",
    ):
        build_quickstart(config(tmp_path, tmp_path / "mine"))
    write_guides(tmp_path / "mine")
    assert build_quickstart(config(tmp_path, tmp_path / "mine"))["given_set"]


def test_what_is_refused(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "picture.png").write_bytes(b"x")
    with pytest.raises(UserError, match="quickstart.folder: .*empty holds no input file"):
        build_quickstart(config(tmp_path, empty))
    with pytest.raises(UserError, match="absent is not a folder"):
        build_quickstart(config(tmp_path, tmp_path / "absent"))
    with pytest.raises(
        UserError, match=r"too little text in .*little: 3 texts gave 0.00 MB for training.*0.2 MB, 200 pairs"
    ):
        build_quickstart(config(tmp_path, write_guides(tmp_path / "little", 3, 4)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("output", "retrieval", "message"),
    [
        ("taken", "out", "quickstart.output=.*taken holds files that this job did not write"),
        ("out", "taken", "data.retrieval=.*taken holds files that this job did not write"),
        ("out", "out/retrieval", "must not lie in each other"),
        ("mine", "out", "holds the text to be read"),
    ],
)
def test_other_peoples_folders_are_not_replaced(tmp_path, output, retrieval, message):
    made = config(tmp_path, write_guides(tmp_path / "mine", 3))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("years of work")
    made.quickstart.output, made.data.retrieval = str(tmp_path / output), str(tmp_path / retrieval)
    with pytest.raises(UserError, match=message):
        build_quickstart(made)
    assert (tmp_path / "taken" / "thesis.tex").exists()


def test_dry_run_gathers_nothing(tmp_path, capsys):
    made = config(tmp_path, write_guides(tmp_path / "texts", 2))
    made.dry_run = True
    assert build_quickstart(made) == {} and not (tmp_path / "out").exists()
    assert f"would gather text and a retrieval set from {tmp_path / 'texts'}" in " ".join(
        capsys.readouterr().err.split()
    )
    made.quickstart.folder = str(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is not a folder"):
        build_quickstart(made)
