"""Records of the jobs: one for each entry point, made of what the schema has, and read without what jobs import."""

import subprocess
import sys
from pathlib import Path

import pytest

from conf.schema import Config
from conf.schema.check import keys
from jobs.arguments.groups import CONF
from jobs.registry import JOBS, STEPS

ROOT = Path(__file__).resolve().parents[2]
KEYS = set(keys(Config))


def test_every_entry_point_has_a_record_and_a_configuration():
    entries = {path.stem for path in (ROOT / "jobs").glob("*.py") if "\n    main(" in path.read_text()}
    assert set(JOBS) == entries == {path.stem for path in (ROOT / "jobs" / "records").glob("*.py")} - {
        "__init__", "following", "inputs", "job",
    }  # fmt: skip
    assert all((CONF / f"{name}.yaml").is_file() for name in JOBS)


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_a_record_names_what_the_schema_has(job):
    overrides = [override.partition("=")[0] for override in job.flags.values()]
    named = {*job.sections, *job.takes_over, *job.part_keys, *job.once, *overrides, job.text_key}
    assert named <= KEYS
    assert job.title and job.is_queueable == (job.name in STEPS or job.is_chain)
    if job.stages:
        assert {f"{job.name}.array_size", f"{job.name}.array_task"} <= KEYS


@pytest.mark.parametrize("job", STEPS.values(), ids=STEPS)
def test_a_record_answers_for_a_plain_configuration(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config(name="mine", run_dir="runs/mine/seed_0")
    assert job.makes(config)[0] == job.home(config) and not job.done(config)
    assert {key.partition("[")[0] for key in job.needs(config)} <= KEYS


def test_records_are_read_without_torch_and_numpy():
    code = "import sys; import jobs.registry; print({'torch', 'numpy', 'hydra', 'transformers'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert ended.stdout == "set()\n", ended.stderr
