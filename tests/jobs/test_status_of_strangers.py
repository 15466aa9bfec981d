"""`python -m jobs.status` of a runs_dir that others write to: what one of them puts there hides nothing, and is not
waited for."""

import json
import os
from pathlib import Path

import pytest
import yaml

from common.errors import UserError
from conf.schema import Config
from jobs import status
from jobs.launch.compose import compose, to_config
from model.training.run.config import freeze, read_config
from slurm.submission import Submission

POINT = {"index": 0, "config": "points/0000.yaml", "home": "h", "label": "", "logs": ""}
GOOD = {
    "kind": "submission", "job": "sweep", "name": "x", "created": "2026-01-01T00:00:00.000000Z", "snapshot": "/x",
    "workdir": "/",
    "python": "python", "cluster": {}, "points": [POINT], "after": [],
}  # fmt: skip
FROZEN = freeze(to_config(compose("train", ["model=encoder/modernbert_base", "train.steps=10"])))
DEEP = "[" * 100_000


@pytest.fixture
def runs(tmp_path) -> Config:
    """A runs_dir with one submission that is as it should be."""
    config = to_config(compose("status", [f"runs_dir={tmp_path}/runs"]))
    _submission(Path(config.runs_dir), "good", GOOD)
    return config


def _submission(runs_dir: Path, name: str, manifest: object) -> Path:
    folder = runs_dir / "submissions" / f"20260101T000000.000000Z-sweep-{name}"
    folder.mkdir(parents=True)
    (folder / "submission.json").write_text(json.dumps(manifest))
    return folder


def _run(runs_dir: Path, config: str = "", **files: str) -> Path:
    folder = runs_dir / "theirs" / "seed_0"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(config or yaml.safe_dump(FROZEN))
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def _names(config: Config) -> list[str]:
    return [row.name for row in status.run(config).rows]


CHANGED = (
    {"points": 5}, {"points": [None]}, {"points": [{}]}, {"points": [POINT | {"home": 5}]},
    {"points": [POINT | {"index": "../../x"}]},
    {"points": [POINT | {"index": 7}]}, {"created": "yesterday"}, {"job": ["x"]}, {"after": 5}, {"after": [5]},
)  # fmt: skip


@pytest.mark.parametrize("changed", CHANGED, ids=str)
def test_records_of_another_form_are_passed_over(runs, changed):
    _submission(Path(runs.runs_dir), "bad", GOOD | changed)
    assert _names(runs) == ["sweep h"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jobs.json", 5), ("jobs.json", {"arrays": [{"job_id": "1", "first": "x", "count": None}]}), ("jobs.json",
        {"asked": [1]}),
        ("jobs.json", {"arrays": [{"job_id": "1", "first": 0, "count": 1, "more": 1}]}),
        ("array_tasks/0000.json", {"state": 5, "attempts": 7}), ("array_tasks/0000.json", {"state": "failed",
        "attempts": [5]}),
        ("array_tasks/0000.json", {"state": "failed", "attempts": [{"number": 1, "job_id": "1"}]}),
    ],
    ids=str,
)  # fmt: skip
def test_what_became_of_it_in_another_form_is_a_row_of_its_own(runs, name, content):
    folder = _submission(Path(runs.runs_dir), "bad", GOOD | {"points": [POINT | {"home": "theirs"}]})
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    assert sorted(_names(runs)) == ["sweep h", "sweep theirs"]


@pytest.mark.parametrize("kind", ["pipe", "device", "hole", "deep"])
def test_a_record_that_never_ends_is_not_read(runs, kind):
    file = _submission(Path(runs.runs_dir), "bad", GOOD) / "submission.json"
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        file.write_text(DEEP)
        os.truncate(file, 1 << 40 if kind == "hole" else len(DEEP))
    with pytest.raises(UserError, match="submission.json is not valid JSON"):
        Submission.read(file.parent)
    assert _names(runs) == ["sweep h"]


@pytest.mark.parametrize(
    "files",
    [
        {"config": DEEP}, {"config": "a: &a [*a]"}, {"config": "- 1"}, {"manifest.json": DEEP}, {"manifest.json": "[]"},
        {"manifest.json": '{"status": "wonderful"}'}, {"manifest.json": '{"status": ["x"], "attempts": 5}'},
        {"metrics.jsonl": '{"step": "x", "loss": [], "seconds": "a"}'}, {"metrics.jsonl": '{"step": 1, "loss": {}}'},
    ],
    ids=lambda files: str(files)[:40],
)  # fmt: skip
def test_a_run_of_another_form_is_a_row_that_says_so(runs, files):
    _run(Path(runs.runs_dir), **files)
    rows = {row.name: row for row in status.run(runs).rows}
    assert rows.keys() == {"sweep h", "theirs/seed_0"} and "cannot be read: " in rows["theirs/seed_0"].state.note


def test_pipes_in_a_run_folder_are_not_waited_for(runs):
    folder = _run(Path(runs.runs_dir))
    (folder / "eval" / "retrieval").mkdir(parents=True)
    for name in ("metrics.jsonl", "eval/retrieval/step_1.json"):
        os.mkfifo(folder / name)
    assert _names(runs) == ["sweep h", "theirs/seed_0"]


@pytest.mark.parametrize("loop", [True, False])
def test_a_few_bytes_of_aliases_do_not_become_millions_of_values(tmp_path, loop):
    lines = [
        "a0: &a0 {a: b, c: d, e: f, g: h}",
        *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 12)),
    ]
    (tmp_path / "config.yaml").write_text("model: &m {architecture: *m}" if loop else "\n".join(lines))
    with pytest.raises(UserError, match=r"config.yaml \(its aliases stand for more than 1000000 values\); restore it"):
        read_config(tmp_path)
    (tmp_path / "config.yaml").write_text("a: &a {b: [1, 2]}\nc: *a")
    assert read_config(tmp_path) == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}
