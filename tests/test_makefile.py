"""`make quickstart` as a person gives it: what reaches the job, and that the job reads it as it was meant."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jobs.launch.compose import compose, spelled_out, to_config

ROOT = Path(__file__).resolve().parents[1]
SAYS_ARGUMENTS = "#!/usr/bin/env python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"


def given(folder: Path, *variables: str) -> list[str]:
    """Arguments of `python` in `make quickstart`, beside an environment that is set up."""
    shutil.copy(ROOT / "Makefile", folder)
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    for name in (
        "requirements.lock",
        "setup.py",
        ".venv/.setup",
    ):  # the last is the newest, so that nothing is installed
        (folder / name).touch()
    python = binaries / "python"
    python.write_text(SAYS_ARGUMENTS)
    python.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if name not in ("DATA", "ARGS", "MAKEFLAGS")}
    done = subprocess.run(
        ["make", "-s", "quickstart", *variables], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def config_of(arguments: list[str]):
    assert arguments[:2] == ["-m", "jobs.pipeline"]
    return to_config(compose("pipeline", [spelled_out(one) for one in arguments[2:]]))


def test_overrides_are_passed_on(tmp_path):
    assert given(tmp_path) == ["-m", "jobs.pipeline", "experiment=quickstart"]
    arguments = given(tmp_path, "ARGS=train.steps=50 seed=1 \"runs_dir=my runs\" 'name=a b'")
    assert arguments[3:] == ["train.steps=50", "seed=1", "runs_dir=my runs", "name=a b"]
    config = config_of(arguments)
    assert (config.train.steps, config.seed, config.runs_dir, config.name) == (50, 1, "my runs", "a b")


@pytest.mark.parametrize(
    "folder", ["texts", "{here}/my texts", "it's", "{here}/a,b=c", "şarkı (1)/", "a/b c", "$HOME;x & y"]
)
def test_a_folder_of_any_name_with_overrides(tmp_path, folder):
    folder = folder.format(here=tmp_path)
    config = config_of(given(tmp_path, f"DATA={folder.replace('$', '$$')}", "ARGS=train.steps=50"))
    assert Path(config.quickstart.folder) == tmp_path / folder and config.train.steps == 50
    assert config.name == f"own/{Path(folder).name}"


def test_a_short_quickstart_keeps_its_schedule():
    """Fewer steps than the warm-up and the decay of the whole one have."""
    from model.training.timeline.timeline import build_timeline

    for steps in (1, 3, 50, 980, 2000):
        timeline = build_timeline(to_config(compose("train", ["experiment=quickstart", f"train.steps={steps}"])))
        assert timeline.total == steps and timeline.phases[0].schedule.warmup == round(0.05 * steps)
    assert [timeline.phases[0].schedule.warmup, timeline.decay_begins] == [100, 100]


def test_help_tells_of_both():
    told = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, timeout=60).stdout
    assert "make quickstart DATA=dir" in told and "make quickstart ARGS='train.steps=50 seed=1'" in told
