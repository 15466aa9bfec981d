"""The command line as a person meets it."""

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cli import compose, spelled_out, to_config

ROOT = Path(__file__).resolve().parents[2]
JOBS = [
    "corpus",
    "quickstart",
    "doctor",
    "embedder",
    "quality",
    "topics",
    "export",
    "fetch",
    "merge",
    "mix",
    "ocr",
    "pipeline",
    "prepare",
    "recycle",
    "split",
    "status",
    "sweep",
    "tokenizer",
    "train",
]


def job(name: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", f"jobs.{name}", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.mark.parametrize("name", JOBS)
def test_help_teaches(name):
    shown = job(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "python -m jobs." in shown.stdout
    assert "dry_run=true" in shown.stdout
    assert shown.stdout.count("python -m jobs") >= 2, "the description should give an example"


@pytest.mark.parametrize("name", JOBS)
def test_a_typo_ends_with_one_line_and_status_2(name):
    ended = job(name, "optim.lrr=3")
    assert ended.returncode == 2
    assert ended.stderr.strip() == "error: unknown key 'optim.lrr'; did you mean 'optim.lr'?; `--cfg job` prints every key with its value"
    assert ended.stdout == ""


def test_several_values_want_multirun():
    ended = job("train", "seed=1,2")
    assert ended.returncode == 2
    assert "add -m" in ended.stderr


def test_a_grid_is_queued_whole_or_not_at_all(tmp_path):
    ended = job("train", "-m", "cluster=local,slurm", f"runs_dir={tmp_path}", "train.steps=1")
    assert ended.returncode == 2
    assert ended.stderr.strip().startswith("error: some points of this multirun have cluster=local and others cluster=slurm")


def test_the_chain_can_be_seen_before_it_runs(tmp_path):
    shown = job("pipeline", "experiment=quickstart", "dry_run=true")
    assert shown.returncode == 0, shown.stderr
    order = [line.split()[0] for line in shown.stderr.splitlines() if "->" in line]
    assert order == ["quickstart", "tokenizer", "prepare", "train", "sweep", "export"]


def test_a_section_of_a_new_name_can_be_given_key_by_key():
    given = ["phases.main.tokens=5", "phases.main.weights={a: 0.5}", "corpus.sources.web.inputs=[a/b.txt,c]"]
    config = to_config(compose("mix", [spelled_out(one) for one in given]))
    assert (config.phases["main"].tokens, config.phases["main"].weights) == (5, {"a": 0.5})
    assert config.corpus.sources["web"].inputs == ["a/b.txt", "c"]
