"""`python -m jobs.train` on two ranks: every layout goes on with the same samples and the same losses as one rank, and
back."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from common.stop import EXIT_CONTINUE
from jobs import train
from jobs.launch.compose import compose, to_config
from model.training.checkpoints.checkpoints import list_checkpoints, set_link
from tests.processes import Process, clean, free_port, run_ranks

ROOT = Path(__file__).resolve().parents[2]
COURSE = [
    "train.steps=12", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2",
    "train.validation_fraction=0.05", "optim.lr=3e-3",
    "train.checkpoint.probe_at_start=false",
    "train.checkpoint.probe_share=0", "train.checkpoint.resume_every_steps=3",
    "train.checkpoint.resume_every_minutes=0", "train.checkpoint.keep_last=9",
    "optim.schedule.warmup_steps=2", "optim.schedule.decay_steps=3", "parallel.threads=1", "model.num_layers=4",
    "train.log_every_steps=1",
]  # fmt: skip
STILL = [
    "model.attention_out_dropout=0",
    "model.embedding_dropout=0",
]  # a cut sequence or pipeline draws its dropout elsewhere
LAYOUTS = {
    "tensor": ["parallel.tensor=2"],
    "sequence": ["parallel.tensor=2", "parallel.sequence=true"],
    "pipeline": ["parallel.pipeline=2"],
}
EXACT = 2e-6
"""Relative difference of losses that fp32 rounding explains; a sample more or less, or a gradient not summed, is 1e-3
and more."""


def overrides_of(trainable: list[str], kind: str) -> list[str]:
    """A command line with dropout or ("still") without; only `run` is missing."""
    return [*trainable, f"name=ranks_{kind}", *COURSE, *(STILL if kind == "still" else [])]


@pytest.fixture(scope="module")
def still(trainable) -> Path:
    """The undisturbed run on one rank, without dropout."""
    return folder_after(train_alone, [*overrides_of(trainable, "still"), "run=whole"])


def config_of(overrides: list[str]):
    return to_config(compose("train", overrides))


def folder_after(start, overrides: list[str]) -> Path:
    start(overrides)
    return Path(config_of(overrides).run_dir)


def train_alone(overrides: list[str]) -> None:
    train.run(config_of(overrides))


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1", **more}


def train_on_two(overrides: list[str]) -> str:
    """As two ranks; what they said."""
    done = run_ranks(["-m", "jobs.train", *overrides])
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def train_under_torchrun(overrides: list[str]) -> None:
    done = under_torchrun(overrides)
    assert done.returncode == 0, done.stderr[-3000:]


def under_torchrun(overrides: list[str]) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "jobs.train",
        *overrides,
    ]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=240)


def metrics(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def cut_at(run: Path, step: int, to: Path) -> None:
    """A copy of ``run`` as it stood after the checkpoint of ``step``."""
    shutil.copytree(run, to, symlinks=True)
    for checkpoint in list_checkpoints(to):
        if checkpoint.step > step:
            shutil.rmtree(checkpoint.folder)
    set_link(to, "last", step)


def assert_same_course(run: Path, whole: Path) -> None:
    found, expected = metrics(run), metrics(whole)
    for key in ("step", "tokens", "samples", "batch", "lr"):
        assert [line[key] for line in found] == [line[key] for line in expected]
    for key in ("loss", "validation_loss", "mlm_loss_sum"):  # the last one as any metric that an objective records
        told = [[line[key] for line in lines if key in line] for lines in (found, expected)]
        assert told[0] == pytest.approx(told[1], rel=EXACT)
    assert [line["grad_norm"] for line in found] == pytest.approx([line["grad_norm"] for line in expected], rel=1e-5)
    ours, theirs = (load_file(folder / "checkpoints" / "last" / "hf" / "model.safetensors") for folder in (run, whole))
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-4, atol=2e-5, msg=name)


@pytest.mark.parametrize(
    "layout", ["tensor", *(pytest.param(name, marks=pytest.mark.long) for name in ("sequence", "pipeline"))]
)
def test_two_ranks_go_on_where_one_stopped_and_back(trainable, still, layout):
    run = still.with_name(layout)
    cut_at(still, 6, run)
    told = train_on_two([*overrides_of(trainable, "still"), *LAYOUTS[layout], f"run={layout}"])
    assert told.count("another layout than before") == told.count("attempt 2, step 6 to 12, 2 x cpu") == 1
    assert_same_course(run, still)
    back = still.with_name(f"{layout}_back")
    cut_at(run, 9, back)
    train_alone([*overrides_of(trainable, "still"), f"run={back.name}"])
    assert_same_course(back, still)


@pytest.mark.long
def test_data_parallel_from_the_start_and_back(trainable):
    """Initial weights, masks and dropout do not depend on the number of data-parallel ranks."""
    overrides = overrides_of(trainable, "dropout")
    whole, run = (
        folder_after(train_alone, [*overrides, "run=whole"]),
        folder_after(train_under_torchrun, [*overrides, "run=data"]),
    )
    assert_same_course(run, whole)
    assert json.loads((run / "manifest.json").read_text())["attempts"][0]["ranks"] == 2
    back = run.with_name("back")
    cut_at(run, 6, back)
    train_alone([*overrides, "run=back"])
    assert_same_course(back, whole)


def test_a_signal_to_one_rank_stops_all_at_one_step(trainable):
    """Started as srun starts them, without anyone who watches over both."""
    overrides = [*trainable, "name=ranks_stop", *COURSE, "train.steps=4000", "run=stop"]
    run = Path(config_of(overrides).run_dir)
    slurm = {
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    ranks = [
        Process(["-m", "jobs.train", *overrides], env=clean() | slurm | {"SLURM_PROCID": rank, "SLURM_LOCALID": rank})
        for rank in ("0", "1")
    ]
    while not (run / "metrics.jsonl").is_file() or len((run / "metrics.jsonl").read_text().splitlines()) < 5:
        assert all(rank.poll() is None for rank in ranks), [rank.communicate()[1][-2000:] for rank in ranks]
        time.sleep(0.05)
    ranks[1].send_signal(signal.SIGTERM)
    told = [rank.communicate(timeout=60)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [EXIT_CONTINUE, EXIT_CONTINUE], told
    step = json.loads((run / "manifest.json").read_text())["step"]
    assert list_checkpoints(run)[-1].step == step == metrics(run)[-1]["step"] < 4000
    assert "the same command continues" in told[0] and told[1].count("\n") <= 1


@pytest.mark.long
def test_what_does_not_fit_is_said_once(trainable):
    overrides = [*trainable, "name=ranks_misfit", *COURSE, "train.micro_batch=4"]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "jobs.train",
        *overrides,
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=240)
    assert done.returncode != 0
    assert (
        done.stderr.count(
            "error: train.global_batch=4 is not a multiple of train.micro_batch x data-parallel size = 4 x 2"
        )
        == 1
    )


def test_a_job_for_one_process_refuses_to_be_several():
    slurm = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "MASTER_ADDR": "127.0.0.1"}
    command = [sys.executable, "-m", "jobs.pipeline", "experiment=quickstart"]
    done = subprocess.run(command, cwd=ROOT, env=environment(**slurm), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(
        "error: jobs.pipeline is for one process, and 2 were started; start it without torchrun"
    )


@pytest.mark.long
def test_a_checkpoint_that_does_not_fit_is_told_once(trainable, file_limit):
    """Both ranks meet it, in Megatron's writer; with room again the same command goes on."""
    overrides = [
        *overrides_of(trainable, "dropout"),
        "train.steps=3",
        "optim.schedule.decay_steps=1",
        "run=little_room",
    ]
    with file_limit(60_000):
        done = under_torchrun(overrides)
    told = [line for line in done.stderr.splitlines() if "error: " in line and "cannot be written" in line]
    assert (
        done.returncode
        and len(told) == 1
        and "/checkpoints/step_0000003/megatron" in told[0]
        and "File too large" in told[0]
    )
    assert "jobs/train.py" not in done.stderr  # in no traceback
    assert list_checkpoints(config_of(overrides).run_dir) == []
    assert "attempt 2, step 0 to 3" in train_on_two(overrides)
