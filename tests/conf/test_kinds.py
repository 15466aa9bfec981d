"""Frozen configurations are read as they stand: nothing in them reaches for what is ours."""

import pytest

from common.errors import UserError
from common.layout import CONFIG
from jobs.launch.compose import compose, to_config
from model.training.run.config import load_config
from slurm.submission import Point, freeze


@pytest.mark.parametrize("value", ["${oc.env:MY_SECRET}", "a-${name}", "${oc.create:{a: 1}}"])
def test_a_frozen_configuration_with_an_interpolation_is_refused(tmp_path, monkeypatch, value):
    monkeypatch.setenv("MY_SECRET", "geheim")
    config = to_config(compose("train", [f"runs_dir={tmp_path}", "name=mine"]))
    submission = freeze("train", [Point(config, str(tmp_path / "mine"))], tmp_path, "python")
    assert submission.config(0).name == "mine"
    file = submission.folder / submission.points[0]["config"]
    file.write_text(file.read_text().replace("name: mine", f"name: '{value}'", 1))
    for read in (lambda: submission.config(0), lambda: load_config(file.rename(tmp_path / CONFIG).parent)):
        with pytest.raises(UserError, match=r"Config.name of a frozen configuration has an interpolation") as error:
            read()
        assert "geheim" not in str(error.value)
