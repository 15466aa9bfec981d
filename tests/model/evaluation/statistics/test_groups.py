"""Runs that are seeds of one configuration."""

from types import SimpleNamespace

import pytest
import yaml

from common.files import write_json
from model.evaluation.report.groups import group_runs

DIGEST = {"tokens": {"path": "data/a", "digests": {"tokens.bin": "0f"}}}


@pytest.fixture
def make_run(tmp_path):
    """``make_run(name, seed, lr, inputs)`` leaves the files of a run that are read."""

    def make(name: str, seed: int = 0, lr: float = 1e-3, inputs: dict = DIGEST, **more) -> SimpleNamespace:
        run = tmp_path / "mine" / name
        config = {
            "name": name,
            "seed": seed,
            "data": {"tokens": f"somewhere/{name}"},
            "optim": {"lr": lr, "schedule": {"kind": "wsd"}},
            **more,
        }
        write_json(run / "manifest.json", {"inputs": inputs})
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        return SimpleNamespace(run=run, name=f"mine/{name}")

    return make


def members(groups):
    return {group.label: [one.run.name for one in group.runs] for group in groups}


def test_seeds_of_one_configuration_are_one_group(make_run):
    runs = [make_run("a", 0), make_run("high", 0, 5e-3), make_run("b", 1), make_run("c", 2)]
    assert members(group_runs(runs)) == {"lr=0.001 (3 runs)": ["a", "b", "c"], "lr=0.005": ["high"]}
    assert members(group_runs([runs[0], runs[2]])) == {"mine (2 runs)": ["a", "b"]}
    assert members(group_runs(runs[:1])) == {"mine/a": ["a"]}


def test_other_data_or_a_deep_setting_is_another_configuration(make_run):
    other = {"tokens": {"path": "data/a", "digests": {"tokens.bin": "77"}}}
    assert len(group_runs([make_run("a"), make_run("b", inputs=other)])) == 2
    groups = group_runs([make_run("c"), make_run("d", optim={"lr": 1e-3, "schedule": {"kind": "cosine"}})])
    assert members(groups) == {"kind=wsd": ["c"], "kind=cosine": ["d"]}


def test_runs_without_a_configuration_stand_alone(make_run, tmp_path):
    for name in ("e", "f"):
        (tmp_path / name).mkdir()
    bare = [SimpleNamespace(run=tmp_path / name, name=name) for name in ("e", "f")]
    assert [len(group.runs) for group in group_runs(bare)] == [1, 1]
