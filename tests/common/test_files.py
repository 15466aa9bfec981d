"""A file or folder is whole or absent."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from common import manifest
from common.errors import UserError
from common.files import (
    atomic_file,
    atomic_folder,
    digest,
    digest_of,
    has_digest,
    make_folder,
    named_digest,
    read_json,
    replace_link,
    write_json,
)  # fmt: skip
from common.remove import ASIDE, sweep_asides

ROOT = Path(__file__).resolve().parents[2]


def test_a_failed_write_leaves_the_former_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert read_json(path) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def write_folder(path: Path, content: str, kind: str = "thing", **options) -> None:
    with atomic_folder(path, kind, **options) as aside:
        (aside / "file").write_text(content)
        manifest.write(aside, manifest.describe(kind, files=manifest.digests(aside)))


def test_a_failed_folder_leaves_the_former_folder(tmp_path):
    for content in ("first", "second"):
        write_folder(tmp_path / "out", content)
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "out", "thing") as aside:
        (aside / "file").write_text("third")
        raise RuntimeError
    assert (tmp_path / "out" / "file").read_text() == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "harm", ["no_manifest", "cut_manifest", "other_kind", "another_file", "link", "file", "dangling"]
)
def test_a_folder_that_is_not_ours_is_not_replaced(tmp_path, capsys, harm):
    theirs, place = tmp_path / "theirs", tmp_path / "out"
    write_folder(theirs, "precious", "other" if harm == "other_kind" else "thing")
    if harm in ("link", "dangling"):
        place.symlink_to(theirs if harm == "link" else tmp_path / "nowhere")
    elif harm == "file":
        place.write_text("precious")
    else:
        theirs.rename(place)
    if harm == "no_manifest":
        (place / "manifest.json").unlink()
    elif harm == "cut_manifest":
        (place / "manifest.json").write_text('{"kind": "thi')
    elif harm == "another_file":
        (place / "notes").mkdir()
        (place / "notes" / "mine.txt").write_text("precious")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="out is not replaced"):
        write_folder(place, "new")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    write_folder(place, "new", keep=True)  # what is there stays under another name
    assert place.is_dir() and not place.is_symlink() and (place / "file").read_text() == "new"
    kept = next(path for path in tmp_path.iterdir() if path.name.startswith("out.kept-"))
    assert kept.name in capsys.readouterr().err.replace("\n", "")
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and place not in path.parents}
    assert sorted(after.values()) == sorted(before.values())


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o002, 0o077])
def test_what_libraries_make_for_one_user_alone_follows_the_umask(tmp_path, umask):
    """As safetensors' save_file does; a folder and a file that were closed on purpose, in part, stay so."""
    former = os.umask(umask)
    try:
        with atomic_folder(tmp_path / "out") as aside:
            handle, made = tempfile.mkstemp(dir=tempfile.mkdtemp(dir=aside))
            os.close(handle)
            (aside / "shut").write_text("")
            (aside / "shut").chmod(0o444 & ~umask)
            (aside / "link").symlink_to(tmp_path / "theirs")
            (tmp_path / "theirs").touch(0o600)
    finally:
        os.umask(former)
    folder = tmp_path / "out" / Path(made).parent.name
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / Path(made).name, tmp_path / "out" / "shut")
    ]
    assert modes == [0o777 & ~umask, 0o666 & ~umask, 0o444 & ~umask]
    assert stat.S_IMODE((tmp_path / "theirs").stat().st_mode) == 0o600


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    write_folder(tmp_path / "out", "first")
    assert (tmp_path / "out" / "file").read_text() == "first"


def test_a_killed_writer_leaves_only_an_aside(tmp_path):
    code = (
        "import sys, time; from common.files import atomic_file\n"
        "with atomic_file(sys.argv[1]) as f: f.write(b'half'); f.flush(); print('ready', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path / "x"], cwd=ROOT, stdout=subprocess.PIPE)
    child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert [p.name.startswith(ASIDE) for p in tmp_path.iterdir()] == [True]
    sweep_asides(tmp_path)
    assert not list(tmp_path.iterdir())


def test_broken_json_names_the_file(tmp_path):
    (tmp_path / "m.json").write_text('{"a": ')
    with pytest.raises(UserError, match="m.json is not valid JSON"):
        read_json(tmp_path / "m.json")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot create the folder"):
        make_folder(tmp_path / "file" / "below")


def test_a_link_is_replaced_in_one_step(tmp_path):
    for target in ("step_1", "step_2"):
        (tmp_path / target).mkdir()
        replace_link(tmp_path / "best", target)
    assert (tmp_path / "best").resolve().name == "step_2"


def test_digest_does_not_depend_on_key_order():
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_a_digest_names_its_algorithm(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    assert named_digest(tmp_path / "a") == f"sha256:{digest(tmp_path / 'a')}"
    assert all(has_digest(tmp_path / "a", named_digest(tmp_path / "a", name)) for name in ("sha256", "blake2b"))
    assert has_digest(tmp_path / "a", digest(tmp_path / "a")) and not has_digest(tmp_path / "a", "sha256:0")
    with pytest.raises(UserError, match="a digest by xxh3, which is unknown here"):
        has_digest(tmp_path / "a", "xxh3:0")
