"""Which checkpoints are kept."""

from pathlib import Path

import pytest

from common.claim import Claim
from common.errors import UserError
from common.files import write_json
from common.layout import checkpoint_name
from conf.schema import CheckpointConfig
from model.training.checkpoints.checkpoints import (
    PROBE,
    RESUME,
    Checkpoint,
    list_checkpoints,
    remove_checkpoint,
    set_link,
)
from model.training.checkpoints.retention import apply_retention, superfluous
from model.training.checkpoints.write import write_checkpoint


def checkpoints(*named: tuple[int, str]) -> list[Checkpoint]:
    return [Checkpoint(step, Path(checkpoint_name(step)), {"checkpoint": kind}) for step, kind in named]


MIXED = checkpoints((0, PROBE), (10, RESUME), (20, PROBE), (30, RESUME), (40, PROBE), (50, RESUME), (60, RESUME))


@pytest.mark.parametrize(
    ("fields", "probed", "best", "removed"),
    [
        ({"keep_last": 2}, set(), None, [10, 30]),
        ({"keep_last": 1}, set(), None, [10, 30, 50]),
        ({"keep_last": 0}, set(), None, [10, 30, 50]),  # the newest stays whatever is asked
        ({"keep_last": 1, "keep_every_steps": 25}, set(), None, [10, 30]),
        ({"keep_last": 1}, set(), 30, [10, 50]),
        ({"keep_last": 9, "keep_probes": 1}, set(), None, []),  # no result yet: none may go
        ({"keep_last": 9, "keep_probes": 1}, {0, 20}, None, [0]),
        ({"keep_last": 9, "keep_probes": 1}, {0, 20, 40}, None, [0, 20]),
        ({"keep_last": 9, "keep_probes": 1}, {0, 20, 40}, 0, [20]),
        ({"keep_last": 9, "keep_probes": 0}, {0, 20, 40}, None, []),
    ],
)
def test_rules(fields, probed, best, removed):
    assert [checkpoint.step for checkpoint in superfluous(MIXED, CheckpointConfig(**fields), probed, best)] == removed


def test_the_only_checkpoint_stays():
    for kind in (PROBE, RESUME):
        assert superfluous(checkpoints((7, kind)), CheckpointConfig(keep_last=0, keep_probes=1), {7}, None) == []


def test_applied_to_a_run_folder(tmp_path):
    for step, kind in ((0, PROBE), (10, RESUME), (20, PROBE), (30, RESUME), (40, RESUME)):
        write_checkpoint(tmp_path, step, kind, lambda folder: (folder / "weights").write_text("w"))
    (tmp_path / "eval").mkdir()
    for step in (0, 20):
        (tmp_path / "eval" / f"{checkpoint_name(step)}.json").write_text("{}")
    set_link(tmp_path, "best", 0)
    # Step 40 lies ahead of the step just made: it was found broken and will be made again, so it is neither counted nor
    # removed.
    removed = apply_retention(tmp_path, CheckpointConfig(keep_last=1, keep_probes=1), newest=30)
    assert [checkpoint.step for checkpoint in removed] == [10]
    assert [checkpoint.step for checkpoint in list_checkpoints(tmp_path)] == [0, 20, 30, 40]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "best",
        "last",
        *map(checkpoint_name, (0, 20, 30, 40)),
    ]


def small(folder: Path) -> None:
    (folder / "weights").write_text("w")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", [PROBE, RESUME])
def test_a_link_to_a_checkpoint_of_somebody_is_passed_over(tmp_path, kind):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for step in (0, 10, 20, 30, 40):
        write_checkpoint(theirs, step, kind, small)
        if step != 10:
            write_checkpoint(ours, step, kind, small)
            write_json(ours / "eval" / f"{checkpoint_name(step)}.json", {})
    link = ours / "checkpoints" / checkpoint_name(10)
    link.symlink_to(theirs / "checkpoints" / checkpoint_name(10))
    write_json(ours / "eval" / f"{checkpoint_name(10)}.json", {})
    before = content(theirs)
    removed = apply_retention(ours, CheckpointConfig(keep_last=1, keep_probes=1), newest=40)
    assert (
        [checkpoint.step for checkpoint in removed] == [0, 20, 30] and link.is_symlink() and content(theirs) == before
    )
    assert [checkpoint.step for checkpoint in list_checkpoints(ours)] == [10, 40]  # it is there for whoever reads
    with pytest.raises(UserError, match="it is a link"):
        remove_checkpoint(list_checkpoints(ours)[0])
    write_checkpoint(ours, 10, kind, small)  # that step is made here after all
    assert not link.is_symlink() and content(theirs) == before


def test_links_do_not_push_out_what_is_kept(tmp_path):
    for step in (10, 20, 40):
        write_checkpoint(tmp_path / "ours", step, RESUME, small)
    theirs = write_checkpoint(tmp_path / "theirs", 30, RESUME, small)
    (tmp_path / "ours" / "checkpoints" / checkpoint_name(30)).symlink_to(theirs.folder)
    assert [
        checkpoint.step for checkpoint in apply_retention(tmp_path / "ours", CheckpointConfig(keep_last=2), newest=40)
    ] == [10]


def test_links_within_a_checkpoint_are_not_followed(tmp_path, capsys):
    theirs = write_checkpoint(tmp_path / "theirs", 10, RESUME, small).folder
    for step in (10, 20, 30):
        write_checkpoint(tmp_path / "ours", step, RESUME, small)
    home = tmp_path / "ours" / "checkpoints"
    (home / checkpoint_name(10) / "weights").unlink()
    (home / checkpoint_name(10) / "weights").symlink_to(theirs / "weights")  # moved elsewhere, linked here
    (home / checkpoint_name(20) / "hf").symlink_to(theirs)
    (home / checkpoint_name(20) / "notes.txt").write_text("do not lose")
    assert [
        checkpoint.step for checkpoint in apply_retention(tmp_path / "ours", CheckpointConfig(keep_last=1), newest=30)
    ] == [10]
    assert (theirs / "weights").read_text() == "w" and (
        home / checkpoint_name(20) / "notes.txt"
    ).read_text() == "do not lose"
    assert f"{checkpoint_name(20)} stays, since it holds" in capsys.readouterr().err.replace("\n", " ").replace(
        "  ", " "
    )


def test_a_run_folder_may_be_a_link(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "scratch")
    for step in (10, 20, 30):
        write_checkpoint(tmp_path / "run", step, RESUME, small)
    assert [
        checkpoint.step for checkpoint in apply_retention(tmp_path / "run", CheckpointConfig(keep_last=1), newest=30)
    ] == [10, 20]
    assert [path.name for path in (tmp_path / "scratch" / "checkpoints").iterdir() if not path.is_symlink()] == [
        checkpoint_name(30)
    ]


def test_a_checkpoint_that_is_being_probed_again_stays(tmp_path):
    for step in (0, 10, 20, 30):
        write_checkpoint(tmp_path, step, PROBE, lambda folder: (folder / "weights").write_text("w"))
        write_json(tmp_path / "eval" / f"{checkpoint_name(step)}.json", {})
    claim = Claim(tmp_path / "eval" / "claims" / f"{checkpoint_name(10)}.json")
    assert claim.take() is None
    assert [
        checkpoint.step for checkpoint in apply_retention(tmp_path, CheckpointConfig(keep_probes=1), newest=30)
    ] == [0, 20]
    claim.release()
    assert [
        checkpoint.step for checkpoint in apply_retention(tmp_path, CheckpointConfig(keep_probes=1), newest=30)
    ] == [10]
