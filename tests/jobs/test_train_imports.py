"""What `python -m jobs.train` loads before it trains: an attempt begins in seconds, so the compiler and transformers
stay out of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.stop import EXIT_CONTINUE
from jobs.launch.compose import compose, to_config
from tests.jobs.conftest import NET

ROOT = Path(__file__).resolve().parents[2]
COURSE = [
    "train.steps=100000", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2",
    "train.validation_fraction=0.05",
    "train.checkpoint.probe_at_start=false", "optim.schedule.warmup_steps=2", "optim.schedule.decay_steps=3",
    "parallel.threads=1",
    "train.log_every_steps=1",
]  # fmt: skip
DECODER = [
    "model=decoder/tiny", "objective=causal", "model.num_layers=2", "model.hidden_size=32", "model.num_heads=2",
    "model.num_kv_heads=1",
    "model.head_width=16", "model.ffn_size=48", "model.vocab_size=320", "model.max_positions=64",
]  # fmt: skip
TRAIN = """
import atexit, runpy, sys
atexit.register(lambda: print(*sys.modules))
sys.argv[0] = "jobs.train"
runpy.run_module("jobs.train", run_name="__main__", alter_sys=True)
"""
COMPILER = ("torch._dynamo", "torch._inductor", "torch.nn.attention.varlen")


def last_step(run: Path) -> int:
    file = run / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.is_file() else []
    return json.loads(lines[-1])["step"] if lines else 0


def loaded(overrides: list[str], told: Path, more: int = 3) -> set[str]:
    """What is in `sys.modules` of a training that made `more` steps, was told to stop, and saved."""
    run = Path(to_config(compose("train", overrides)).run_dir)
    until = last_step(run) + more
    env = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", TRAIN, *overrides]
    with told.open("w") as file:
        job = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=file, text=True)
    while last_step(run) < until:
        assert job.poll() is None, told.read_text()[-2000:]
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    modules = job.communicate(timeout=60)[0].split()
    assert job.returncode == EXIT_CONTINUE, told.read_text()[-2000:]
    return set(modules)


@pytest.mark.parametrize("family", ["encoder", "decoder"])
def test_neither_the_compiler_nor_transformers(family, trainable, tmp_path):
    net = NET if family == "encoder" else DECODER
    overrides = [*(key for key in trainable if key not in NET), *net, f"name=imports_{family}", *COURSE]
    fresh = loaded(overrides, tmp_path / "fresh")
    assert {"torch", "megatron.core", "transformers"} <= fresh  # that the net has a form in transformers is asked once
    assert not fresh & {*COMPILER, "wandb", "mlflow"}
    resumed = loaded(overrides, tmp_path / "resumed")
    assert "attempt 2, step " in (tmp_path / "resumed").read_text() and "model.training.attempt" in resumed
    assert not resumed & {*COMPILER, "transformers", "huggingface_hub"}
