"""Which saves are kept."""

from pathlib import Path

import pytest

from common.claim import Claim
from common.files import write_json
from conf.schema import SaveConfig
from model.training.retention import apply_retention, superfluous
from model.training.saves import PROBE, RESUME, Save, list_saves, save_name, set_link
from model.training.write_save import write_save


def saves(*named: tuple[int, str]) -> list[Save]:
    return [Save(step, Path(save_name(step)), {"save": kind}) for step, kind in named]


MIXED = saves((0, PROBE), (10, RESUME), (20, PROBE), (30, RESUME), (40, PROBE), (50, RESUME), (60, RESUME))


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
    assert [save.step for save in superfluous(MIXED, SaveConfig(**fields), probed, best)] == removed


def test_the_only_save_stays():
    for kind in (PROBE, RESUME):
        assert superfluous(saves((7, kind)), SaveConfig(keep_last=0, keep_probes=1), {7}, None) == []


def test_applied_to_a_run_folder(tmp_path):
    for step, kind in ((0, PROBE), (10, RESUME), (20, PROBE), (30, RESUME), (40, RESUME)):
        write_save(tmp_path, step, kind, lambda folder: (folder / "weights").write_text("w"))
    (tmp_path / "eval").mkdir()
    for step in (0, 20):
        (tmp_path / "eval" / f"{save_name(step)}.json").write_text("{}")
    set_link(tmp_path, "best", 0)
    # Step 40 lies ahead of the step just made: it was found broken and will be made again, so it is neither counted nor removed.
    removed = apply_retention(tmp_path, SaveConfig(keep_last=1, keep_probes=1), newest=30)
    assert [save.step for save in removed] == [10]
    assert [save.step for save in list_saves(tmp_path)] == [0, 20, 30, 40]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["best", "last", *map(save_name, (0, 20, 30, 40))]


def test_a_save_that_is_being_probed_again_stays(tmp_path):
    for step in (0, 10, 20, 30):
        write_save(tmp_path, step, PROBE, lambda folder: (folder / "weights").write_text("w"))
        write_json(tmp_path / "eval" / f"{save_name(step)}.json", {})
    claim = Claim(tmp_path / "eval" / "claims" / f"{save_name(10)}.json")
    assert claim.take() is None
    assert [save.step for save in apply_retention(tmp_path, SaveConfig(keep_probes=1), newest=30)] == [0, 20]
    claim.release()
    assert [save.step for save in apply_retention(tmp_path, SaveConfig(keep_probes=1), newest=30)] == [10]
