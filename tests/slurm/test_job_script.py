"""slurm/job.sbatch: what it passes on, what it refuses, and that SLURM takes it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.arguments.groups import CONF
from slurm.submission import Submission
from tests.slurm.jobs import ROOT

SCRIPT = ROOT / "slurm" / "job.sbatch"
JOBS = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem != "base")


def script(*arguments: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if not name.startswith("TERZI_")} | variables
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )


def test_bash_can_read_it():
    assert subprocess.run(["bash", "-n", str(SCRIPT)], capture_output=True).returncode == 0


@pytest.mark.parametrize("job", JOBS)
def test_the_command_of_each_job(job, tmp_path):
    """`echo` in the place of Python shows it."""
    setup = tmp_path / "setup.sh"
    setup.write_text("export MODULES=loaded; echo $MODULES\n")
    done = script(job, "name=a b", "seed=1", TERZI_PYTHON="echo", TERZI_SETUP=str(setup))
    assert done.stdout == f"loaded\n-m jobs.{job} cluster.kind=slurm name=a b seed=1\n", done.stderr


def test_help_is_its_header_without_the_options_of_sbatch():
    said = script("--help")
    assert said.returncode == 0 and said.stdout.startswith("Start a job of this project on a SLURM cluster")
    assert "#SBATCH" not in said.stdout and "bash slurm/job.sbatch --help" in said.stdout.splitlines()[-1]
    assert script().returncode == 2 and script().stdout == said.stdout
    for job in re.findall(r"slurm/job\.sbatch ([a-z]+) ", said.stdout):
        assert job in JOBS


@pytest.mark.parametrize("job", ["trian", "cli", "help", "../x", "__init__", "name=mine", "a b"])
def test_what_is_no_job_is_one_sentence(job):
    done = script(job)
    assert done.returncode == 2 and f"'{job}' is no job of {ROOT}" in done.stderr and " ".join(JOBS) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_elsewhere_than_in_the_project(tmp_path):
    done = script("train", folder=tmp_path)
    assert done.returncode == 2 and "none is here" in done.stderr


@pytest.mark.slurm
@pytest.mark.parametrize("job", ["tokenizer", "prepare"])
def test_slurm_runs_it(cluster, jobs, job):
    """On the development cluster: the job's result is there, made by the driver of every other submission."""
    env = {**os.environ, "TERZI_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    overrides = [one for one in jobs.overrides if not one.startswith(("data.tokenizer=", "data.tokens="))]
    made = {"tokenizer": jobs.folder / "tokenizer", "prepare": jobs.folder / "tokens"}
    tokenizer = next(one for one in jobs.overrides if one.startswith("data.tokenizer="))
    data = [
        f"data.tokenizer={made['tokenizer']}" if job == "tokenizer" else tokenizer,
        f"data.tokens={made['prepare']}",
    ]
    arguments = ["name=t", f"runs_dir={jobs.runs_dir}", *overrides, *data, "tokenizer.vocab_size=300"]
    command = ["sbatch", "--parsable", "--time=10", f"--output={jobs.folder}/%A_%a.out", str(SCRIPT), job, *arguments]
    number = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout.strip()
    cluster.wait_for(lambda: list(jobs.runs_dir.glob(f"submissions/*job_{number}_0")), 120, "the driver to start")
    (folder,) = jobs.runs_dir.glob(f"submissions/*job_{number}_0")
    submission = Submission.read(folder)
    cluster.wait_for(lambda: submission.array_task(0)["state"] == "finished", 180, f"{job} to end")
    assert (made[job] / "manifest.json").is_file()
