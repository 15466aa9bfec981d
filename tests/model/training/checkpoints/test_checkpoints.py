"""Checkpoints: whole or absent, and found again only with every byte right."""

import os
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import named_digest, write_json
from common.layout import checkpoint_name
from model.training.checkpoints.checkpoints import (
    PROBE,
    RESUME,
    latest_valid,
    linked,
    list_checkpoints,
    read_checkpoint,
    remove_checkpoint,
    set_link,
    verify,
)
from model.training.checkpoints.write import write_checkpoint


def fill(folder: Path) -> None:
    (folder / "megatron").mkdir()
    (folder / "megatron" / "weights").write_bytes(os.urandom(5000))
    (folder / "hf").mkdir()
    (folder / "hf" / "config.json").write_text("{}")


def three(run: Path) -> None:
    for step, kind in ((0, PROBE), (100, RESUME), (200, PROBE)):
        write_checkpoint(run, step, kind, fill, tokens=step * 64)


def test_manifest_lists_every_file_and_last_points_at_it(tmp_path):
    checkpoint = write_checkpoint(tmp_path, 100, PROBE, fill, tokens=6400)
    assert checkpoint == read_checkpoint(tmp_path / "checkpoints" / "last")
    assert (checkpoint.step, checkpoint.kind, checkpoint.manifest["tokens"]) == (100, PROBE, 6400)
    files = ("hf/config.json", "megatron/weights")
    assert checkpoint.manifest["files"] == {name: named_digest(checkpoint.folder / name) for name in files}
    assert (tmp_path / "checkpoints" / "last").readlink() == Path("step_0000100")
    assert linked(tmp_path, "last") == 100
    assert linked(tmp_path, "best") is None


def test_a_failing_writer_leaves_nothing(tmp_path):
    write_checkpoint(tmp_path, 100, RESUME, fill)

    def fail(folder: Path) -> None:
        fill(folder)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_checkpoint(tmp_path, 200, RESUME, fail)
    assert [checkpoint.step for checkpoint in list_checkpoints(tmp_path)] == [100]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["last", "step_0000100"]


def truncate(folder: Path) -> None:
    (folder / "megatron" / "weights").write_bytes((folder / "megatron" / "weights").read_bytes()[:-1])


def flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / "megatron" / "weights").read_bytes())
    data[2500] ^= 4
    (folder / "megatron" / "weights").write_bytes(data)


def half_delete(folder: Path) -> None:
    (folder / "megatron" / "weights").unlink()


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def cut_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"kind": "sa')


@pytest.mark.parametrize("harm", [truncate, flip_a_bit, half_delete, lose_manifest, cut_manifest])
def test_a_broken_checkpoint_is_named_and_the_one_before_used(tmp_path, capsys, harm):
    three(tmp_path)
    assert latest_valid(tmp_path).step == 200
    assert capsys.readouterr().err == ""
    harm(tmp_path / "checkpoints" / checkpoint_name(200))
    assert latest_valid(tmp_path).step == 100
    told = capsys.readouterr().err
    assert "step_0000200 is broken" in told
    assert "step_0000100" not in told


def test_nothing_valid(tmp_path):
    assert latest_valid(tmp_path) is None
    write_checkpoint(tmp_path, 5, RESUME, fill)
    flip_a_bit(tmp_path / "checkpoints" / checkpoint_name(5))
    assert latest_valid(tmp_path) is None


def test_a_step_saved_again_replaces_what_was_there(tmp_path):
    first = write_checkpoint(tmp_path, 5, RESUME, fill)
    again = write_checkpoint(tmp_path, 5, PROBE, fill)
    assert first.manifest["files"] != again.manifest["files"]
    assert [checkpoint.kind for checkpoint in list_checkpoints(tmp_path)] == [PROBE]
    assert verify(again) is None


def test_what_is_no_checkpoint_of_that_name_is_kept_beside_the_new_one(tmp_path, capsys):
    place = tmp_path / "checkpoints" / checkpoint_name(5)
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("do not lose")
    checkpoint = write_checkpoint(tmp_path, 5, RESUME, fill)
    assert verify(checkpoint) is None and checkpoint.folder == place
    kept = next((tmp_path / "checkpoints").glob(f"{checkpoint_name(5)}.kept-*"))
    assert (kept / "thesis.txt").read_text() == "do not lose" and kept.name in capsys.readouterr().err.replace("\n", "")
    assert latest_valid(tmp_path).step == 5


def test_a_link_to_a_checkpoint_of_another_step_is_none(tmp_path):
    three(tmp_path / "theirs")
    write_checkpoint(tmp_path / "ours", 100, RESUME, fill)
    (tmp_path / "ours" / "checkpoints" / checkpoint_name(150)).symlink_to(
        tmp_path / "theirs" / "checkpoints" / checkpoint_name(200)
    )
    assert [checkpoint.step for checkpoint in list_checkpoints(tmp_path / "ours")] == [100] and latest_valid(
        tmp_path / "ours"
    ).step == 100


@pytest.mark.parametrize("known", [{"step": "5"}, {"files": ["a"]}, {"checkpoint": None}, []])
def test_a_manifest_of_something_else_is_one_sentence(tmp_path, known):
    checkpoint = write_checkpoint(tmp_path, 5, RESUME, fill)
    write_json(checkpoint.folder / "manifest.json", {**checkpoint.manifest, **known} if known else known)
    with pytest.raises(UserError, match=r"manifest\.json is"):
        read_checkpoint(checkpoint.folder)


def test_remove_and_link(tmp_path):
    three(tmp_path)
    set_link(tmp_path, "best", 100)
    assert read_checkpoint(tmp_path / "checkpoints" / "best").step == linked(tmp_path, "best") == 100
    remove_checkpoint(list_checkpoints(tmp_path)[0])
    assert [checkpoint.step for checkpoint in list_checkpoints(tmp_path)] == [100, 200]


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not a checkpoint"):
        read_checkpoint(tmp_path / "nowhere")
