"""The one order of refusals: of several faults the first stage has the word, whatever is to be done with the job."""

from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import UserError
from conf.schema import Config
from jobs.records.job import DiskNeed
from jobs.registry import JOBS
from jobs.validate import disk
from jobs.validate.order import Planned, validate_chain, validate_queue, validate_start

Mend = Callable[[Config], None]


@pytest.fixture
def config(tmp_path, monkeypatch) -> Config:
    """A tokenizer that cannot be: too few tokens, of no text, on a SLURM that is not there, with a secret."""
    monkeypatch.setenv("PATH", "")
    config = Config(runs_dir=str(tmp_path / "runs"), run_dir=str(tmp_path / "runs" / "a"))
    config.cluster.kind, config.cluster.environment = "slurm", {"HF_TOKEN": "x"}
    config.data.tokenizer, config.data.inputs = str(tmp_path / "tokenizer"), [str(tmp_path / "none.txt")]
    config.tokenizer.vocab_size = 100
    return config


def test_configuration_then_files_then_site_then_disk(config, tmp_path, monkeypatch):
    text = tmp_path / "text.txt"
    text.write_text("a text")
    monkeypatch.setattr(disk, "free_space", lambda folder: (0, 0))
    stages: list[tuple[str, Mend]] = [
        ("cluster.environment.HF_TOKEN would be written", lambda c: c.cluster.environment.clear()),
        ("tokenizer.vocab_size=100 is too small", lambda c: setattr(c.tokenizer, "vocab_size", 300)),
        (r"data.inputs\[0\]: .*none.txt does not exist", lambda c: setattr(c.data, "inputs", [str(text)])),
        ("not in the PATH", lambda c: setattr(c.cluster, "kind", "local")),
        ("this does not fit; make room", lambda c: None),
    ]
    for message, mend in stages:
        with pytest.raises(UserError, match=message):
            validate_queue([Planned(JOBS["tokenizer"], [config])], ask_site=True)
        mend(config)
    monkeypatch.setattr(disk, "free_space", lambda folder: (1 << 60, 0))
    validate_queue([Planned(JOBS["tokenizer"], [config])], ask_site=True)


def test_of_several_jobs_each_stage_is_looked_at_before_the_next(config, tmp_path):
    """The file that the first lacks waits for the second's vocabulary."""
    config.cluster.environment.clear()
    split = Planned(JOBS["split"], [config])
    for validate in (lambda steps: validate_queue(steps, ask_site=False), lambda steps: validate_chain(steps, 1)):
        with pytest.raises(UserError, match="tokenizer.vocab_size=100 is too small"):
            validate([split, Planned(JOBS["tokenizer"], [config])])
    with pytest.raises(UserError, match="tokenizer.vocab_size=100 is too small"):
        validate_start("tokenizer", config)


def test_what_a_job_before_makes_is_not_missing(config, tmp_path):
    config.tokenizer.vocab_size = 300
    steps = [Planned(JOBS["split"], [], [str(tmp_path)]), Planned(JOBS["tokenizer"], [config])]
    validate_chain(steps, 1)
    with pytest.raises(UserError, match="none.txt does not exist, so jobs.tokenizer would fail"):
        validate_chain(steps[1:], 1)


def test_disk_is_told_of_jobs_whose_inputs_are_there():
    need = disk.describe(DiskNeed(2e9, 30, Path("/"), "checkpoints"))
    assert need.startswith("disk: up to 2.00 GB in 30 files under / (checkpoints); ") and "free" in need
