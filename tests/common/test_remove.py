"""What is removed is ours, and no link is followed."""

import os
from pathlib import Path

import pytest

from common import manifest
from common.errors import UserError
from common.files import write_json
from common.remove import (
    ASIDE,
    aside_of,
    mark,
    remove_aside,
    remove_file,
    remove_files,
    remove_folder,
    remove_marked,
    strange,
    sweep_asides,
)


def made(folder: Path, kind: str = "thing") -> Path:
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("content")
    manifest.write(folder, manifest.describe(kind, files=manifest.digests(folder)))
    return folder


def test_a_folder_of_ours_goes_whole(tmp_path):
    remove_folder(made(tmp_path / "out"), "thing")
    assert not list(tmp_path.iterdir())


def test_what_a_link_points_at_stays(tmp_path):
    theirs = made(tmp_path / "theirs")
    (tmp_path / "out").symlink_to(theirs)
    with pytest.raises(UserError, match="it is a link"):
        remove_folder(tmp_path / "out", "thing")
    (tmp_path / "out").unlink()
    ours = made(tmp_path / "out")
    (ours / "inner" / "file").unlink()
    (ours / "inner").rmdir()
    (ours / "inner").symlink_to(theirs / "inner")  # the file that the manifest lists lies behind it
    with pytest.raises(UserError, match="it holds inner, which"):
        remove_folder(ours, "thing")
    (ours / "inner").unlink()
    (ours / "inner").mkdir()
    (ours / "inner" / "file").symlink_to(theirs / "inner" / "file")
    remove_folder(ours, "thing")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"] and (
        theirs / "inner" / "file"
    ).read_text() == "content"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder to another user")
def test_a_folder_of_another_user_stays(tmp_path):
    theirs = made(tmp_path / "out")
    os.chown(theirs, 12345, -1)
    with pytest.raises(UserError, match="it belongs to another user"):
        remove_folder(theirs, "thing")
    assert (theirs / "inner" / "file").exists()


@pytest.mark.parametrize("names", [(), ("file",)])
def test_a_folder_of_links_is_not_an_empty_one(tmp_path, names):
    theirs = made(tmp_path / "theirs")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "inner").symlink_to(theirs / "inner")
    assert "it holds files" in strange(tmp_path / "out", "thing", names)
    (tmp_path / "out" / "inner").unlink()
    (tmp_path / "out" / "manifest.json").write_text("{}")
    assert bool(strange(tmp_path / "out", "thing", names)) == (not names)
    (tmp_path / "out" / "notes").write_text("precious")
    assert strange(tmp_path / "out", "thing", names)


@pytest.mark.parametrize("listed", [5, {"inner/file": 1, "../theirs/file": 2}, ["notes.txt/.."], None])
def test_a_manifest_cannot_name_files_elsewhere_nor_take_in_others(tmp_path, listed):
    ours = made(tmp_path / "out")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("precious")
    (ours / "notes.txt").write_text("precious")
    write_json(ours / "manifest.json", {"kind": "thing", "files": listed})
    with pytest.raises(UserError, match="is not replaced"):
        remove_folder(ours, "thing")
    assert (ours / "notes.txt").read_text() == (tmp_path / "theirs" / "file").read_text() == "precious"


def test_asides_are_swept_and_nothing_else(tmp_path):
    theirs = made(tmp_path / "theirs")
    (tmp_path / f"{ASIDE}link").symlink_to(theirs)
    (tmp_path / f"{ASIDE}dangling").symlink_to(tmp_path / "nowhere")
    (made(tmp_path / f"{ASIDE}out-1-ab") / "more").symlink_to(theirs)
    (tmp_path / f"{ASIDE}file").write_text("half")
    sweep_asides(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"] and not strange(theirs, "thing")
    with pytest.raises(AssertionError, match="not named as ours"):
        remove_aside(theirs)


def test_asides_of_one_artefact(tmp_path):
    kept = [aside_of(tmp_path / name) for name in ("output", "other", "out-2", "out-1-0123abcd")]
    for aside in (*kept, *(aside_of(tmp_path / name) for name in ("out", "o[u]t"))):
        aside.mkdir()
    sweep_asides(tmp_path, "out")
    sweep_asides(tmp_path, "o[u]t")
    assert sorted(tmp_path.iterdir()) == sorted(kept)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder to another user")
@pytest.mark.parametrize("name", ["", "out"])
def test_asides_of_another_user_stay(tmp_path, name):
    theirs = aside_of(tmp_path / "out")
    theirs.mkdir()
    (theirs / "file").write_text("half")
    os.chown(theirs, 12345, -1)
    sweep_asides(tmp_path, name)
    assert (theirs / "file").exists()


def test_a_work_folder_is_removed_where_it_is_marked(tmp_path):
    theirs = made(tmp_path / "work")
    with pytest.raises(UserError, match="not made for them"):
        mark(theirs, "windows")
    remove_marked(theirs, "windows")
    assert (theirs / "inner" / "file").exists()
    mark(tmp_path / "ours", "windows")
    (tmp_path / "ours" / "theirs").symlink_to(theirs)
    mark(tmp_path / "ours", "windows")
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    remove_marked(tmp_path / "link", "windows")
    remove_marked(tmp_path / "ours", "others")
    assert (tmp_path / "ours").is_dir()
    with pytest.raises(UserError, match="not made for them"):
        mark(tmp_path / "link", "windows")
    remove_marked(tmp_path / "ours", "windows")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "work"] and (theirs / "inner" / "file").exists()


def test_files_behind_a_linked_folder_stay(tmp_path):
    theirs = made(tmp_path / "theirs")
    (tmp_path / "link").symlink_to(theirs / "inner")
    remove_files(tmp_path / "link", "*")
    assert not (tmp_path / "link").is_symlink() and (theirs / "inner" / "file").exists()
    remove_files(theirs / "inner", "f*")
    remove_files(tmp_path / "nowhere", "*")
    assert theirs.is_dir() and not list((theirs / "inner").iterdir())
    (tmp_path / "one").symlink_to(theirs / "manifest.json")
    remove_file(tmp_path / "one")
    remove_file(tmp_path / "one")
    assert (theirs / "manifest.json").is_file()


def test_events_of_another_run_behind_a_link_stay(tmp_path):
    """A run folder of a stranger whose tb/ leads to that of another run."""
    theirs = tmp_path / "theirs" / "tb" / "hparams"
    theirs.mkdir(parents=True)
    (theirs / "events.1").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tb").symlink_to(tmp_path / "theirs" / "tb")
    remove_files(tmp_path / "run" / "tb" / "hparams", "events.*")
    assert (theirs / "events.1").read_text() == "precious"
