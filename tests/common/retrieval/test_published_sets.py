"""Retrieval sets as they are published: every spelling of one set is that set, and what is missing or absent is
said."""

import gzip
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from common.errors import UserError
from common.retrieval.layout import SPLITS
from common.retrieval.load import RetrievalSet, check_retrieval, digest_retrieval, load_retrieval, training_pairs

COUNT = 40
DOCUMENTS = [
    {"_id": f"d{n}", "title": f"Title {n}", "text": f"body {n}", "metadata": {"url": "u"}} for n in range(COUNT)
]
QUERIES = [{"_id": f"q{n}", "text": f"query {n}", "metadata": {"url": "u"}} for n in range(COUNT)]
RELEVANT = [(f"q{n}", f"d{n}", 1) for n in range(COUNT)]
HEADER = "query-id\tcorpus-id\tscore\n"


def json_lines(rows: Iterable[dict]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def tsv(rows: Iterable[tuple], form: str = "{}\t{}\t{}\n") -> str:
    return "".join(form.format(*row) for row in rows)


def judged(rows: Iterable[tuple]) -> list[dict]:
    return [{"query-id": query, "corpus-id": document, "score": float(grade)} for query, document, grade in rows]


CORPUS, ASKED = {"corpus.jsonl": json_lines(DOCUMENTS)}, {"queries.jsonl": json_lines(QUERIES)}
TEXTS = CORPUS | ASKED
PLAIN = TEXTS | {"qrels.tsv": HEADER + tsv(RELEVANT)}


def write(folder: Path, files: dict[str, str | bytes | list[dict]]) -> Path:
    """Files by name, packed as their suffixes say; rows become parquet."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content), path)
            continue
        raw = content.encode() if isinstance(content, str) else content
        pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
        path.write_bytes(pack(raw))
    return folder


def asked(sets: dict[str, RetrievalSet]) -> dict[str, list[str]]:
    return {split: sets[split].query_ids for split in SPLITS}


SPELLINGS = {
    "no header": TEXTS | {"qrels.tsv": tsv(RELEVANT)},
    "grades of 1.0": TEXTS | {"qrels.tsv": HEADER + tsv((q, d, "1.0") for q, d, _ in RELEVANT)},
    "quoted": TEXTS | {"qrels.tsv": '"query-id"\t"corpus-id"\t"score"\n' + tsv(RELEVANT, '"{}"\t"{}"\t"{}"\n')},
    "TREC": TEXTS | {"qrels.tsv": tsv(RELEVANT, "{} 0 {} {}\n")},
    "TREC with tabs and CRLF": TEXTS | {"qrels.tsv": tsv(RELEVANT, "{}\tQ0\t{}\t{}\r\n")},
    "TREC's own suffix": TEXTS | {"qrels.trec": tsv(RELEVANT, "{} 0 {} {}\n")},
    "CRLF": {name: content.replace("\n", "\r\n") for name, content in PLAIN.items()},
    "byte order marks": {name: f"\ufeff{content}" for name, content in (PLAIN | {"qrels.tsv": tsv(RELEVANT)}).items()},
    "columns in another order": TEXTS | {"qrels.tsv": "score\tcorpus-id\tquery-id\n" + tsv(RELEVANT,
    "{2}\t{1}\t{0}\n")},
    "packed": {f"{name}{'.gz' if name[0] == 'q' else '.zst'}": content for name, content in PLAIN.items()},
    "qrels as JSON lines": TEXTS | {"qrels.jsonl": json_lines(judged(RELEVANT))},
    "parquet": {"corpus.parquet": DOCUMENTS, "queries.parquet": QUERIES, "qrels.parquet": judged(RELEVANT)},
    "id in place of _id": PLAIN | {"corpus.jsonl": json_lines(DOCUMENTS).replace('"_id"', '"id"')},
    "a document twice": PLAIN | {"corpus.jsonl": json_lines([*DOCUMENTS, DOCUMENTS[3]])},
    "test alone": TEXTS | {"qrels/test.tsv": HEADER + tsv(RELEVANT)},
    "test alone, then one for all": PLAIN | {"qrels/test.tsv": HEADER + tsv(RELEVANT)},
    "pieces, as the hub has them": {
        "corpus/corpus-00000-of-00002.parquet": DOCUMENTS[:30], "corpus/corpus-00001-of-00002.parquet": DOCUMENTS[30:],
        "queries/queries-00000-of-00001.parquet": QUERIES,
        "data/test-00000-of-00002.parquet": judged(RELEVANT[:9]),
        "data/test-00001-of-00002.parquet": judged(RELEVANT[9:]),
        "README.md": "---\nlicense: mit\n---\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_one_set(tmp_path, spelling):
    plain = load_retrieval(write(tmp_path / "plain", PLAIN), seed=3)
    other = write(tmp_path / "other", SPELLINGS[spelling])
    assert load_retrieval(other, seed=3) == plain and min(map(len, asked(plain).values())) > 3
    before = digest_retrieval(other)
    (other / "notes.jsonl").write_text("{}\n")
    assert digest_retrieval(other) == before
    file = next(
        path for path in sorted(other.rglob("*")) if path.name.startswith(("corpus", "test")) and path.is_file()
    )
    file.write_bytes(file.read_bytes() + b"\n")
    assert digest_retrieval(other) != before


HALVES = {"first": HEADER + tsv(RELEVANT[:20]), "second": HEADER + tsv(RELEVANT[20:])}
FIRST, SECOND = {f"q{n}" for n in range(20)}, {f"q{n}" for n in range(20, COUNT)}


@pytest.mark.parametrize(
    ("files", "kept", "said"),
    [
        (
            ("train.tsv", "test.tsv"),
            {"test": SECOND, "train+dev": FIRST},
            r"dev from train \(\d+ queries\); train keeps \d+",
        ),
        (
            ("validation.tsv", "test.tsv"),
            {"test": SECOND, "train+dev": FIRST},
            r"train from dev \(\d+ queries\); dev keeps",
        ),
        (("train.tsv", "dev.tsv"), {"train": FIRST, "dev+test": SECOND}, r"test from dev \(\d+ queries\); dev keeps"),
        (("train.tsv",), {"train+dev+test": FIRST}, r"dev from train \(\d+ queries\), test from train \(\d+ queries\)"),
    ],
    ids=["no dev", "no train", "no test", "train alone"],
)
def test_a_missing_split_is_drawn_from_one_that_is_there(tmp_path, capsys, files, kept, said):
    write(tmp_path, TEXTS | {f"qrels/{name}": half for name, half in zip(files, HALVES.values(), strict=False)})
    queries_of = {split: set(names) for split, names in asked(load_retrieval(tmp_path)).items()}
    for splits, names in kept.items():
        assert set().union(*(queries_of[split] for split in splits.split("+"))) == names
    assert sum(map(len, queries_of.values())) == len(set().union(*queries_of.values())) and all(queries_of.values())
    assert (
        len(
            re.findall(
                f"splits that are missing are drawn by a hash of the query ids: .*{said}", capsys.readouterr().err
            )
        )
        == 1
    )


def test_a_split_without_judgements_and_a_missing_folder_are_drawn_too(tmp_path, capsys):
    write(
        tmp_path / "one",
        TEXTS | {"qrels/train.tsv": HALVES["first"], "qrels/dev.tsv": HEADER, "qrels/test.tsv": HALVES["second"]},
    )
    assert set(asked(load_retrieval(tmp_path / "one"))["test"]) == SECOND
    assert "splits that are empty are drawn" in capsys.readouterr().err
    for split, half in (("train", "first"), ("test", "second")):
        write(tmp_path / "two" / split, TEXTS | {"qrels.tsv": HALVES[half]})
    sets = load_retrieval(tmp_path / "two")
    assert set(sets["test"].query_ids) == SECOND and {*sets["train"].query_ids, *sets["dev"].query_ids} == FIRST
    assert sets["train"].doc_ids is sets["dev"].doc_ids


def test_few_queries_are_enough(tmp_path):
    """A hash alone would leave a split of three queries empty for most seeds."""
    write(tmp_path, TEXTS | {"qrels/test.tsv": tsv(RELEVANT[:3])})
    assert all(list(map(len, asked(load_retrieval(tmp_path, seed)).values())) == [1, 1, 1] for seed in range(20))
    write(tmp_path, {"qrels/test.tsv": tsv(RELEVANT[:2])})
    with pytest.raises(UserError, match="too few queries with a relevant document to draw .* from"):
        load_retrieval(tmp_path)


def test_absent_documents_are_counted_and_said_and_not_trained_on(tmp_path, capsys):
    absent = [(f"q{n}", f"gone{n % 5}", 2) for n in range(COUNT)]
    sets = load_retrieval(write(tmp_path, TEXTS | {"qrels.tsv": tsv(RELEVANT + absent)}))
    assert (
        "judged documents that the corpus does not have, which count as never found, as in trec_eval: 5 (gone0, gone1,"
        " gone2, ...)" in (" ".join(capsys.readouterr().err.split()))
    )
    train = sets["train"]
    assert train.qrels["q0" if "q0" in train.qrels else train.query_ids[0]].keys() & {f"gone{n}" for n in range(5)}
    assert [train.query_ids[query][1:] for query, _ in training_pairs(train)] == [
        train.doc_ids[d][1:] for _, d in training_pairs(train)
    ]
    write(tmp_path, {"qrels.tsv": tsv(absent)})
    with pytest.raises(UserError, match="has no query with a relevant document in its corpus"):
        load_retrieval(tmp_path)


def test_empty_and_repeated_records_are_counted(tmp_path, capsys):
    more = [{"_id": "e", "title": None, "text": ""}, {"_id": "n", "text": None}, DOCUMENTS[0]]
    sets = load_retrieval(write(tmp_path, PLAIN | {"corpus.jsonl": json_lines(DOCUMENTS + more)}))
    said = capsys.readouterr().err
    assert len(sets["test"].doc_ids) == COUNT + 2 and sets["test"].doc_texts[-2:] == ["", ""]
    assert "has empty documents: 2 (e, n)" in said and "again with the same text, which count once: 1 (d0)" in said


def test_nothing_is_said_of_a_set_as_it_should_be(tmp_path, capsys):
    load_retrieval(write(tmp_path, PLAIN))
    assert capsys.readouterr().err == ""


def test_numbers_as_ids_in_parquet(tmp_path):
    write(tmp_path, {
        "corpus.parquet": [{"id": n, "title": None, "text": f"body {n}"} for n in range(COUNT)],
        "queries.parquet": [{"id": n, "text": f"query {n}"} for n in range(COUNT)],
        "qrels/test.parquet": [{"query_id": n, "corpus_id": n, "score": 1} for n in range(COUNT)],
    })  # fmt: skip
    sets = load_retrieval(tmp_path)
    assert sets["dev"].doc_texts[7] == "body 7" and sets["dev"].qrels[sets["dev"].query_ids[0]] == {
        sets["dev"].query_ids[0]: 1
    }


DOUBLES = {
    "two corpora": ({"corpus.jsonl.gz": CORPUS["corpus.jsonl"]}, "has corpus.jsonl and corpus.jsonl.gz; leave one",
    "corpus.jsonl.gz"),
    "two of a split": (
        {"qrels/test.tsv": tsv(RELEVANT), "qrels/test.jsonl": "{}\n"},
        "test.jsonl and test.tsv, both of the test split; leave one", "qrels/test.jsonl",
    ),
    "half a character": (
        {"corpus.jsonl": json_lines(DOCUMENTS) + '{"_id": "x", "text": "\\ud83d"}\n'},
        "corpus.jsonl line 41 is not valid JSON", "",
    ),
    "half a grade": (
        {"qrels.tsv": tsv([*RELEVANT, ("q0", "d1", 0.5)])},
        r"qrels.tsv line 41 needs three columns.*it has '0.5' for the number", "",
    ),
    "half a grade first": ({"qrels.tsv": tsv([("q0", "d1", 0.5), *RELEVANT])}, r"qrels.tsv line 1 needs three columns",
    ""),
    "an id with two texts": (
        {"corpus.jsonl": json_lines([*DOCUMENTS, DOCUMENTS[0] | {"text": "other"}])},
        "line 41 repeats the _id d0 with another text", "",
    ),
    "queries without a text": (
        {"qrels.tsv": tsv([*RELEVANT, ("x", "d1", 1), ("y", "d1", 1)])},
        r"line 41 names the query x, which queries.jsonl does not have \(nor those of 1 more lines\)", "",
    ),
    "true as an id": ({"corpus.jsonl": json_lines([*DOCUMENTS, {"_id": True, "text": "x"}])},
    "line 41 needs a JSON object with", ""),
    "no judgement in a record": (
        {"qrels/test.jsonl": json_lines([*judged(RELEVANT), {"query-id": "q0"}])},
        'test.jsonl line 41 has no "corpus-id"', "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DOUBLES)
def test_refusals_name_the_place_and_their_mend_works(tmp_path, case):
    wrong, message, left_over = DOUBLES[case]
    write(tmp_path, PLAIN | wrong)
    with pytest.raises(UserError, match=message):
        load_retrieval(tmp_path)
    if left_over:
        (tmp_path / left_over).unlink()
    else:  # the line that is named goes
        name = next(iter(wrong))
        number = int(re.search(r"line (\d+)", message)[1])
        lines = (tmp_path / name).read_text().splitlines(keepends=True)
        (tmp_path / name).write_text(
            "".join(lines[: number - 1] + lines[number + (case == "queries without a text") :])
        )
    assert all(asked(load_retrieval(tmp_path)).values())


def test_a_cut_off_file_and_a_qrels_folder_of_another_split(tmp_path):
    packed = write(tmp_path / "cut", TEXTS | {"qrels/test.tsv.gz": tsv(RELEVANT)}) / "qrels/test.tsv.gz"
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(UserError, match=r"test.tsv.gz \(after line \d+\) is truncated"):
        load_retrieval(tmp_path / "cut")
    write(tmp_path / "split/train", PLAIN)
    write(tmp_path / "split/test", TEXTS | {"qrels/dev.tsv": tsv(RELEVANT)})
    with pytest.raises(
        UserError, match=r"split/test is the test split and judges others; rename .*qrels/dev.tsv to test.tsv"
    ):
        load_retrieval(tmp_path / "split")
    (tmp_path / "split/test/qrels/dev.tsv").rename(tmp_path / "split/test/qrels/test.tsv")
    assert len(load_retrieval(tmp_path / "split")["test"].query_ids) == COUNT


def test_the_folder_above_a_set_names_it(tmp_path):
    write(tmp_path / "sets/scifact", PLAIN)
    with pytest.raises(
        UserError, match=r"sets is no retrieval set, but .*sets/scifact below it is one; name that folder"
    ):
        load_retrieval(tmp_path / "sets")
    load_retrieval(tmp_path / "sets/scifact")


def test_files_that_are_not_there(tmp_path):
    write(tmp_path, CORPUS)
    for name, files in (("queries.jsonl", ASKED), ("qrels.tsv", {"qrels/test.tsv": tsv(RELEVANT)})):
        for ask in (load_retrieval, check_retrieval, digest_retrieval):
            with pytest.raises(UserError, match=f"{name} does not exist; a retrieval set is corpus.jsonl"):
                ask(tmp_path)
        write(tmp_path, files)
    check_retrieval(tmp_path)
