"""Retrieval sets: found, refused, written so that the evaluation reads them."""

import pytest

from common.errors import UserError
from data_prep.quickstart.beir import copy_set, find_set, set_files, write_set
from data_prep.quickstart.pairs import Pair

PAIRS = [("a", Pair("what is it", "it is\nthis")), ("b\u2028c", Pair('was "ist" das ğ', "das ist es"))]


def test_written_sets_are_read_by_the_evaluation(tmp_path):
    from common.retrieval.load import load_retrieval

    for split in ("train", "dev", "test"):
        write_set(tmp_path / split, PAIRS)
    read = load_retrieval(tmp_path)["test"]
    assert list(zip(read.doc_ids, read.doc_texts, read.query_texts, strict=True)) == [
        (n, p.document, p.query) for n, p in PAIRS
    ]
    assert read.qrels == {f"q-{name}": {name: 1} for name, _ in PAIRS}
    assert find_set(tmp_path) == tmp_path and len(set_files(tmp_path)) == 9


def test_sets_are_found_below_a_folder_and_copied(tmp_path):
    write_set(tmp_path / "deep", PAIRS)
    (tmp_path / "deep" / "notes.txt").write_text("x")
    assert find_set(tmp_path) == tmp_path / "deep"
    copy_set(tmp_path / "deep", tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["corpus.jsonl", "qrels.tsv", "queries.jsonl"]
    assert (tmp_path / "copy" / "corpus.jsonl").read_bytes() == (tmp_path / "deep" / "corpus.jsonl").read_bytes()
    with pytest.raises(UserError, match="more than one retrieval set"):
        find_set(tmp_path)


def test_a_corpus_alone_is_plain_text_and_missing_qrels_are_named(tmp_path):
    folder = tmp_path / "one"
    write_set(folder, PAIRS)
    (folder / "qrels.tsv").rename(tmp_path / "rels")
    with pytest.raises(UserError, match="one has no qrels.tsv"):
        find_set(tmp_path)
    (folder / "qrels").mkdir()
    (tmp_path / "rels").rename(folder / "qrels" / "test.tsv")
    assert find_set(tmp_path) == folder
    (folder / "queries.jsonl").unlink()
    assert find_set(tmp_path) is None


def test_sets_are_found_below_links(tmp_path):
    """Also three of them with one corpus, which a mirror keeps once."""
    (tmp_path / "store").mkdir()
    for split in ("train", "dev", "test"):
        write_set(tmp_path / "store" / split, PAIRS)
        (tmp_path / "store" / split / "corpus.jsonl").unlink()
    (tmp_path / "blob").write_text('{"_id": "a", "text": "b"}\n')
    for split in ("train", "dev", "test"):
        (tmp_path / "store" / split / "corpus.jsonl").symlink_to("../../blob")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/set").symlink_to("../store")
    assert find_set(tmp_path / "mine") == tmp_path / "mine/set" and len(set_files(tmp_path / "mine/set")) == 9
    (tmp_path / "mine/up").symlink_to("..")
    with pytest.raises(UserError, match=r"quickstart.folder: the link .*mine/up leads to .* back to it"):
        find_set(tmp_path / "mine")
