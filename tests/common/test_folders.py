"""Folders with links: all that they lead to, once, and never in a circle."""

import os

import pytest

from common.errors import UserError
from common.folders import files_below


@pytest.fixture
def tree(tmp_path):
    for name in ("in/z/b.txt", "in/a.txt", "in/.git/no.txt", "store/web/c.txt", "store/web/deep/d.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def below(folder, **keys):
    return sorted(str(path.relative_to(folder)) for path in files_below(folder, "key", **keys))


def test_links_to_folders_and_files_are_followed(tree):
    assert below(tree / "in") == ["a.txt", "z/b.txt"]
    (tree / "in/web").symlink_to("../store/web")
    (tree / "in/z/e.txt").symlink_to(tree / "store/web/c.txt")
    assert below(tree / "in") == ["a.txt", "web/c.txt", "web/deep/d.txt", "z/b.txt"]
    (tree / "all").symlink_to("in")
    assert below(tree / "all") == below(tree / "in")


def test_a_file_goes_by_its_own_name_once(tree):
    (tree / "in/a-first").symlink_to("z")
    (tree / "in/again.txt").symlink_to("a.txt")
    assert below(tree / "in") == ["a.txt", "z/b.txt"]
    assert below(tree / "in", once=False) == ["a.txt", "again.txt", "z/b.txt"]
    os.link(tree / "in/a.txt", tree / "in/hard.txt")
    assert below(tree / "in") == ["a.txt", "hard.txt", "z/b.txt"]


CIRCLES = {
    "itself": {"in/z/up": "."},
    "above": {"in/z/up": "../.."},
    "root": {"in/z/up": "/"},
    "by way of another": {"in/web": "../store/web", "store/web/back": "../../in"},
    "one another": {"in/z/x": "../y", "in/y/back": "../z"},
}


@pytest.mark.parametrize("case", CIRCLES)
def test_circles_are_refused_by_name(tree, case):
    for name, target in CIRCLES[case].items():
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).symlink_to(target)
    for strict in (True, False):
        with pytest.raises(
            UserError,
            match=r"^key: the link \S*/(up|web|back|x) leads to /\S*, from where the way leads back to it; remove it$",
        ):
            files_below(tree / "in", "key", strict=strict)


@pytest.mark.parametrize("target", ["nowhere", "web"])
def test_a_dead_link_is_refused(tree, target):
    """One without a suffix too: a folder of text may have been there."""
    (tree / "in/web").symlink_to(target)
    with pytest.raises(UserError, match="^key: .*in/web is a dead link; remove it$"):
        files_below(tree / "in", "key")
    assert below(tree / "in", strict=False) == ["a.txt", "z/b.txt"]


def test_many_ways_to_one_folder_take_no_time(tmp_path):
    """Two links each in 30 folders: 2**30 ways to the last of them."""
    for number in range(30):
        (tmp_path / str(number)).mkdir()
        for name in "ab":
            (tmp_path / f"{number}/{name}").symlink_to(f"../{number + 1}")
    (tmp_path / "30").mkdir()
    (tmp_path / "30/text.txt").touch()
    assert below(tmp_path) == ["30/text.txt"] and len(below(tmp_path / "0")) == 1


def test_what_is_no_file_is_passed_over(tree):
    os.mkfifo(tree / "in/pipe.txt")
    (tree / "in/endless.txt").symlink_to("/dev/zero")
    assert below(tree / "in") == ["a.txt", "z/b.txt"]
