import os

import pytest

from common.errors import UserError
from data_prep.sources.inputs import kind_of, list_inputs, span_digest, stamp, told_inputs


@pytest.fixture
def tree(tmp_path):
    for name in (
        "b.txt",
        "a.jsonl",
        "sub/c.md.gz",
        "sub/deep/d.PARQUET",
        "e.jsonl.zst",
        "f.csv",
        ".hidden.txt",
        ".git/g.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(tree, found):
    return [str(path.relative_to(tree)) for path in found]


def test_a_folder_is_searched_to_the_bottom_in_sorted_order(tree):
    assert names(tree, list_inputs([str(tree)])) == [
        "a.jsonl",
        "b.txt",
        "e.jsonl.zst",
        "sub/c.md.gz",
        "sub/deep/d.PARQUET",
    ]


def test_the_order_and_the_overlap_of_patterns_do_not_matter(tree):
    once = list_inputs([str(tree)])
    assert list_inputs([f"{tree}/sub", f"{tree}/*", f"{tree}/b.txt", f"{tree}/./b.txt", f"{tree}/**"]) == once


def test_a_glob_takes_known_suffixes_only(tree):
    assert names(tree, list_inputs([f"{tree}/*.txt", f"{tree}/*.csv*", f"{tree}/f*", f"{tree}/b*"][:1])) == ["b.txt"]
    with pytest.raises(UserError, match=r"f\*.*no input file"):
        list_inputs([f"{tree}/f*"])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nowhere", "nowhere does not exist"),
        ("f.csv", "f.csv has an unknown suffix"),
        ("empty", "empty holds no input file"),
        ("*.nothing", "does not exist|holds no input file"),
    ],
)
def test_what_cannot_be_read_is_named(tree, pattern, message):
    (tree / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        list_inputs([f"{tree}/{pattern}"])


def test_files_of_other_kinds_are_counted_once_and_said(tree, capsys):
    for name in ("sub/g.docx", "h.DOCX", "i.zip"):
        (tree / name).write_text(name)
    assert told_inputs([str(tree), f"{tree}/*", f"{tree}/sub"], "data.inputs") == list_inputs([str(tree)])
    told = capsys.readouterr().err
    assert told == f"data.inputs: files of kinds that are not read: 2 .docx, 1 .csv, 1 .zip; such as {tree}/h.DOCX\n"


def test_a_folder_with_nothing_that_is_read_names_what_it_has_and_what_is_read(tmp_path):
    for name in ("a.docx", "b.docx", "c.png"):
        (tmp_path / name).write_text(name)
    with pytest.raises(
        UserError,
        match=r"holds no input file \(2 .docx, 1 .png; such as .*a.docx\); known are .txt, .md, .html, .jsonl",
    ):
        list_inputs([str(tmp_path)])


def test_an_empty_list_is_named():
    with pytest.raises(UserError, match="data.inputs is empty"):
        list_inputs([])


def test_a_dead_link_is_named(tree):
    (tree / "dead.txt").symlink_to(tree / "gone.txt")
    with pytest.raises(UserError, match="dead.txt is a dead link"):
        list_inputs([str(tree)])


def test_linked_folders_are_read_each_file_once(tree):
    plain = list_inputs([str(tree)])
    (tree / "in/local").mkdir(parents=True)
    (tree / "in/local/b.jsonl").write_text("{}")
    (tree / "in/a_link").symlink_to("../sub")
    (tree / "in/web").symlink_to("../sub/deep")
    assert names(tree, list_inputs([f"{tree}/in"])) == [
        "in/a_link/c.md.gz",
        "in/a_link/deep/d.PARQUET",
        "in/local/b.jsonl",
    ]
    assert list_inputs([f"{tree}/in/*"]) == list_inputs([f"{tree}/in/**"]) == list_inputs([f"{tree}/in"])
    everything = sorted([*plain, tree / "in/local/b.jsonl"], key=str)
    for patterns in (
        ["."],
        ["in", "."],
        [".", "in"],
        ["in/*", "sub", "."],
        ["in/web/d.PARQUET", "."],
        ["**", "in/a_link/**"],
    ):
        assert list_inputs([f"{tree}/{pattern}" for pattern in patterns]) == everything, (
            "own names, whatever is named first"
        )


def test_circles_are_refused_in_folders_and_patterns(tree):
    for name in "xy":
        (tree / "sub" / name).symlink_to("..")
    for pattern in (".", "sub", "**", "**/*.txt", "s*/**/*.gz"):
        with pytest.raises(UserError, match=r"data.inputs: the link .*/sub/[xy] leads to .* back to it"):
            list_inputs([f"{tree}/{pattern}"])


def test_a_dead_link_to_a_folder_is_named(tree):
    (tree / "web").symlink_to("../store/web")
    with pytest.raises(UserError, match="data.inputs: .*/web is a dead link"):
        list_inputs([str(tree)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["b.txt", "sub"])
def test_missing_permission_is_named(tree, name):
    (tree / name).chmod(0)
    try:
        with pytest.raises(UserError, match=f"{name}.*may not be read"):
            list_inputs([str(tree)])
    finally:
        (tree / name).chmod(0o700)


def test_kinds():
    assert kind_of("x.jsonl") == ("jsonl", "")
    assert kind_of("x.tar.jsonl.gz") == ("jsonl", "gz")
    assert kind_of("x.md.ZST") == ("text", "zst")
    assert kind_of("x.gz") is None and kind_of("x") is None and kind_of("x.json") is None


def test_a_span_digest_is_that_of_its_bytes(tmp_path):
    import hashlib

    (tmp_path / "x").write_bytes(data := bytes(range(256)) * 10_000)
    assert span_digest(tmp_path / "x") == hashlib.sha256(data).hexdigest()
    assert span_digest(tmp_path / "x", 1000, 1_500_000) == hashlib.sha256(data[1000:1_500_000]).hexdigest()
    assert stamp(tmp_path / "x")[0] == len(data)
