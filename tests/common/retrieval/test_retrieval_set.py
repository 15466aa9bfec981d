"""Reading BEIR-format sets, and saying what is wrong with them."""

import json
from pathlib import Path

import pytest

from common.errors import UserError
from common.retrieval.draw import split_of
from common.retrieval.layout import SPLITS
from common.retrieval.load import digest_retrieval, load_retrieval, training_pairs


def lines(*records) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def write_set(folder: Path, queries: int = 40, qrels: str = "qrels.tsv", prefix: str = "") -> Path:
    """``queries`` queries with one document each, and one document that nobody asks for."""
    (folder / qrels).parent.mkdir(parents=True, exist_ok=True)
    documents = [
        {"_id": f"{prefix}d{n}", "title": f"Title {n}" if n % 2 else "", "text": f"body {n}"}
        for n in range(queries + 1)
    ]
    (folder / "corpus.jsonl").write_text(lines(*documents))
    (folder / "queries.jsonl").write_text(
        lines(*({"_id": f"{prefix}q{n}", "text": f"query {n}"} for n in range(queries)))
    )
    rows = [f"{prefix}q{n}\t{prefix}d{n}\t1\n" for n in range(queries)]
    (folder / qrels).write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))
    return folder


def test_one_qrels_file_is_split_by_a_hash(tmp_path):
    sets = load_retrieval(write_set(tmp_path, 2000), seed=5)
    found = {split: set(sets[split].query_ids) for split in SPLITS}
    assert sum(map(len, found.values())) == 2000 == len(set().union(*found.values()))
    assert [round(len(found[split]) / 2000, 1) for split in SPLITS] == [0.5, 0.2, 0.3]
    assert sets["train"].doc_ids is sets["test"].doc_ids
    assert found["test"] != set(load_retrieval(tmp_path, seed=6)["test"].query_ids)
    smaller = load_retrieval(write_set(tmp_path, 1000), seed=5)
    assert set(smaller["dev"].query_ids) == {name for name in found["dev"] if int(name[1:]) < 1000}
    assert all(split_of(name, 5) == "dev" for name in smaller["dev"].query_ids)


def test_titles_and_unjudged_queries(tmp_path):
    write_set(tmp_path)
    qrels = (tmp_path / "qrels.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "qrels.tsv").write_text("".join(qrels[:-2]) + "q38\td38\t0\n\n")
    sets = load_retrieval(tmp_path)
    names = [name for split in SPLITS for name in sets[split].query_ids]
    assert len(names) == 38 and not {"q38", "q39"} & set(names)
    assert sets["dev"].doc_texts[:2] == ["body 0", "Title 1 body 1"]


def test_header_is_optional(tmp_path):
    write_set(tmp_path)
    whole = load_retrieval(tmp_path)
    (tmp_path / "qrels.tsv").write_text("".join((tmp_path / "qrels.tsv").read_text().splitlines(keepends=True)[1:]))
    assert load_retrieval(tmp_path) == whole


def test_qrels_by_split_and_folders_by_split(tmp_path):
    for split, rows in {"train": "q0\td0\t1\nq0\td9\t2\n", "dev": "q1\td1\t1\n", "test": "q2\td2\t3\n"}.items():
        write_set(tmp_path / "shared", 10, f"qrels/{split}.tsv")
        (tmp_path / f"{split}.rows").write_text("query-id\tcorpus-id\tscore\n" + rows)
    for split in SPLITS:
        (tmp_path / "shared" / "qrels" / f"{split}.tsv").write_text((tmp_path / f"{split}.rows").read_text())
        write_set(tmp_path / "folders" / split, 5, prefix=split)
    shared = load_retrieval(tmp_path / "shared")
    assert [shared[split].query_ids for split in SPLITS] == [["q0"], ["q1"], ["q2"]]
    assert shared["test"].qrels == {"q2": {"d2": 3}} and training_pairs(shared["train"]) == [(0, 0), (0, 9)]
    folders = load_retrieval(tmp_path / "folders")
    assert [len(folders[split].query_ids) for split in SPLITS] == [5, 5, 5]
    assert folders["dev"].doc_ids[0] == "devd0"


def test_digest_follows_the_bytes(tmp_path):
    for split in SPLITS:
        write_set(tmp_path / split, 5)
    first = digest_retrieval(tmp_path)
    (tmp_path / "notes.txt").write_text("not read")
    assert digest_retrieval(tmp_path) == first
    with (tmp_path / "dev" / "qrels.tsv").open("a") as file:
        file.write("q0\td1\t1\n")
    assert digest_retrieval(tmp_path) != first


BROKEN = {
    "corpus not JSON": ("corpus.jsonl", "{oops\n", r"corpus.jsonl line 2 is not valid JSON"),
    "corpus without text": (
        "corpus.jsonl",
        '{"_id": "x"}\n',
        r'corpus.jsonl line 2 needs a JSON object with an "_id" and a "text"',
    ),
    "corpus not an object": ("corpus.jsonl", "[1]\n", r"corpus.jsonl line 2 is not a JSON object"),
    "query text not a string": ("queries.jsonl", '{"_id": "x", "text": 3}\n', r"queries.jsonl line 2 needs"),
    "repeated id": ("corpus.jsonl", '{"_id": "d5", "text": "again"}\n', r"corpus.jsonl line 7 repeats the _id d5"),
    "half a character": ("corpus.jsonl", '{"_id": "x", "text": "\\ud83d"}\n', r"corpus.jsonl line 2 is not valid JSON"),
    "not UTF-8": ("queries.jsonl", b"\xff\xfe\n", r"queries.jsonl line 2 is not UTF-8"),
    "two columns": ("qrels.tsv", "q1 d1\n", r"qrels.tsv line 2 needs three columns"),
    "grade of two signs": ("qrels.tsv", "q1\td1\t--5\n", r"qrels.tsv line 2 needs three columns"),
    "grade beyond all bounds": ("qrels.tsv", f"q1\td1\t{'9' * 5000}\n", r"qrels.tsv line 2 needs three columns"),
    "grade not whole": ("qrels.tsv", "q1\td1\t0.5\n", r"qrels.tsv line 2 needs three columns"),
    "unknown query": (
        "qrels.tsv",
        "nobody\td1\t1\n",
        r"qrels.tsv line 2 names the query nobody, which queries.jsonl does not have",
    ),
    "grades differ": ("qrels.tsv", "q1\td1\t2\n", r"qrels.tsv line 4 grades q1 and d1 again"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_lines_are_named(tmp_path, case):
    name, line, message = BROKEN[case]
    path = write_set(tmp_path) / name
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([rows[0], line.encode() if isinstance(line, str) else line, *rows[1:]]))
    with pytest.raises(UserError, match=message):
        load_retrieval(tmp_path)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_missing_and_empty_files(tmp_path, name):
    path = write_set(tmp_path) / name
    path.write_text("\n")
    with pytest.raises(UserError, match="is empty|has no query with a relevant document"):
        load_retrieval(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=f"{name} does not exist; a retrieval set is corpus.jsonl"):
        load_retrieval(tmp_path)


def test_missing_folder_split_and_overlap(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist; set data.retrieval"):
        load_retrieval(tmp_path / "nowhere")
    for split in SPLITS:
        write_set(tmp_path / "same", 3, f"qrels/{split}.tsv")
    with pytest.raises(UserError, match="query q0 is in qrels/train.tsv and in qrels/dev.tsv"):
        load_retrieval(tmp_path / "same")
    write_set(tmp_path / "lonely" / "train")
    (tmp_path / "lonely" / "dev").mkdir()
    with pytest.raises(UserError, match="lonely/dev/corpus.jsonl does not exist"):
        load_retrieval(tmp_path / "lonely")


def test_ids_beyond_64_bits_keep_their_digits(tmp_path):
    """As numbers they would all be one: 2**70 and its neighbours are the same float."""
    ids = [str(2**70 + number) for number in range(40)]
    write = (tmp_path / "corpus.jsonl", tmp_path / "queries.jsonl", tmp_path / "qrels.tsv")
    write[0].write_text("".join(f'{{"_id": {name}, "text": "body {name}"}}\n' for name in ids))
    write[1].write_text("".join(f'{{"_id": -{name}, "text": "query {name}"}}\n' for name in ids))
    write[2].write_text("".join(f"-{query}\t{document}\t1\n" for query in ids for document in ids))
    sets = load_retrieval(tmp_path, seed=3)
    asked = sorted(name for one in sets.values() for name in one.query_ids)
    assert sets["train"].doc_ids == ids and asked == sorted(f"-{name}" for name in ids)
    assert all(list(grades) == ids for one in sets.values() for grades in one.qrels.values())


def test_sets_below_links(tmp_path):
    plain = load_retrieval(write_set(tmp_path / "store/set"))
    (tmp_path / "link").symlink_to("store/set")
    assert load_retrieval(tmp_path / "link") == plain and digest_retrieval(tmp_path / "link") == digest_retrieval(
        tmp_path / "store/set"
    )
    (tmp_path / "parts").mkdir()
    for split in SPLITS:
        write_set(tmp_path / "store" / split, 5, prefix=split)
        (tmp_path / "parts" / split).symlink_to(f"../store/{split}")
    assert load_retrieval(tmp_path / "parts")["dev"].doc_ids[0] == "devd0"
    first = digest_retrieval(tmp_path / "parts")
    with (tmp_path / "store/dev/qrels.tsv").open("a") as file:
        file.write("devq0\tdevd1\t1\n")
    assert digest_retrieval(tmp_path / "parts") != first, "what a link leads to is read too"
    (tmp_path / "store/set/corpus.jsonl").rename(tmp_path / "elsewhere")
    (tmp_path / "store/set/corpus.jsonl").symlink_to("gone")
    for read in (load_retrieval, digest_retrieval):
        with pytest.raises(UserError, match=r"corpus.jsonl is a dead link; a retrieval set is"):
            read(tmp_path / "link")


def test_a_line_beyond_the_limit_is_named(tmp_path):
    write_set(tmp_path)
    with pytest.raises(UserError, match=r"corpus.jsonl line 1 has more than data.max_document_bytes=20 bytes"):
        load_retrieval(tmp_path, max_bytes=20)
