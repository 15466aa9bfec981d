"""Folder names of the points of a multirun: short enough for a file system, the same again for the same point, no two
alike."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import manifest as manifests
from jobs.launch.compose import compose, parse, spelled_out, to_config
from jobs.launch.emptied import empty_sections
from jobs.launch.naming import NAME_BYTES, label_of, run_name
from tests.processes import run_python

ROOT = Path(__file__).resolve().parents[3]


def test_labels_that_fit_stay_as_they_are():
    for label in ("seed=1,optim.lr=0.001", "data.tokens=a_b", "x=" + "y" * (NAME_BYTES - 2), "name=şarkı"):
        assert run_name(label) == label
    assert run_name("model=encoder/tiny") == "model=encoder_tiny"


@pytest.mark.parametrize("letter", ["x", "ş", "語", "🙂", "/", "\udcff", "e\u0301"])
def test_longer_ones_are_cut_at_a_letter_and_differ(letter, tmp_path):
    labels = [f"data.inputs=[{letter * 300}{end}],seed={seed}" for end in ("a", "b", "/a", "_a") for seed in (1, 2)]
    names = [run_name(label) for label in labels]
    assert len(set(names)) == len(names) and names == [run_name(label) for label in labels]
    for name in names:
        (tmp_path / name).mkdir()
        assert len(os.fsencode(name)) <= NAME_BYTES and name.startswith(
            f"data.inputs=[{'_' if letter == '/' else letter[0]}"[:13]
        )


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/\0")), min_size=2, max_size=4, unique=True),
    st.integers(0, 400),
)
def test_no_two_labels_have_one_name(ends, length):
    names = {run_name("k=" + "y" * length + end) for end in ends}
    assert len(names) == len(ends)


def test_a_label_has_every_swept_key_also_of_names_that_are_the_users():
    point = ["experiment=quickstart", "++data.validation.law=a", "seed=2", "optim.lr=0.1"]
    assert label_of(point, ["data.validation.law", "seed"]) == "data.validation.law=a,seed=2"


def multirun(*arguments: str, job: str = "train", cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return run_python(["-m", f"jobs.{job}", "-m", *arguments], cwd=cwd, timeout=200)


def test_a_grid_over_long_paths_trains_and_goes_on(trainable, tmp_path):
    """Two points whose labels are the same for 300 bytes; the same command finds both again, and each keeps what it was
    made of."""
    tokens = next(one for one in trainable if one.startswith("data.tokens=")).partition("=")[2]
    parent = tmp_path / ("ş" * 100)
    parent.mkdir()
    for name in ("a", "b"):
        shutil.copytree(tokens, parent / name)
    course = [
        "train.steps=1",
        "train.seq_length=64",
        "train.global_batch=2",
        "train.micro_batch=2",
        "train.checkpoint.probe_at_start=false",
    ]
    given = [
        *(one for one in trainable if not one.startswith("runs_dir=")),
        f"runs_dir={tmp_path}/runs",
        "name=grid",
        *course,
    ]
    grid = [*given, f"data.tokens={parent}/a,{parent}/b"]
    done = multirun(*grid)
    assert done.returncode == 0, done.stderr[-2000:]
    runs = sorted((tmp_path / "runs" / "grid").iterdir())
    points = {manifests.read(run)["point"] for run in runs}
    assert points == {f'data.tokens="{parent}/{name}"' for name in "ab"} and all(
        len(os.fsencode(run.name)) <= NAME_BYTES for run in runs
    )
    again = multirun(*grid, "dry_run=true")
    assert again.returncode == 0 and again.stderr.count("is finished: 1 steps") == 2, again.stderr[-2000:]
    assert sorted((tmp_path / "runs" / "grid").iterdir()) == runs


def test_two_points_of_one_name_are_refused_before_the_first_starts(tmp_path):
    ended = multirun("data.tokens=a/b,a_b", "train.steps=1", f"runs_dir={tmp_path}/runs")
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert "data.tokens=a/b and data.tokens=a_b would both have the run folder data.tokens=a_b" in ended.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "multirun.yaml"]


def test_a_grid_over_names_of_the_user_has_a_folder_for_each(tmp_path):
    shown = multirun("experiment=quickstart", "dry_run=true", "data.validation.law=a,b", job="pipeline", cwd=tmp_path)
    assert (
        "quickstart/data.validation.law=a\n" in shown.stderr and "quickstart/data.validation.law=b\n" in shown.stderr
    ), shown.stderr


@pytest.mark.parametrize(
    ("given", "phases", "validation"),
    [
        (["phases={}"], {}, 2),
        (["phases={}", "phases.main.tokens=5"], {"main": 5}, 2),
        (["phases={}", "phases={main: {tokens: 5}}", "data.validation={}"], {"main": 5}, 0),
        (["phases={extra: {tokens: 5}}"], {"general": 10, "terminology": 10, "long": 10, "anneal": 10, "extra": 5}, 2),
        (["phases.long.weights={}"], {"general": 10, "terminology": 10, "long": 10, "anneal": 10}, 2),
    ],
)
def test_an_empty_mapping_takes_the_entries_of_a_yaml_away(given, phases, validation):
    base = [
        "experiment=mecellem/qwen3_1_7b_cpt",
        *(f"phases.{name}.tokens=10" for name in ("general", "terminology", "long", "anneal")),
    ]
    config = to_config(compose("train", [spelled_out(one) for one in [*base, *given]]))
    assert {name: phase.tokens for name, phase in config.phases.items()} == phases and len(
        config.data.validation
    ) == validation
    assert not config.phases.get("long") or bool(config.phases["long"].weights) == (
        "phases.long.weights={}" not in given
    )


def test_an_empty_mapping_of_a_section_with_keys_of_ours_changes_nothing():
    composed = compose("train", ["experiment=quickstart"])
    before = composed.copy()
    empty_sections(composed, parse(["++train.checkpoint={}"]))
    assert composed == before
