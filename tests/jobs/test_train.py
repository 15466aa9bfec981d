"""`python -m jobs.train`, killed, stopped and continued, on text that went through the jobs before it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from jobs import prepare, tokenizer, train
from jobs.cli import compose, to_config
from model.training.signals import EXIT_CONTINUE

ROOT = Path(__file__).resolve().parents[2]
STEPS = 140
NET = [
    "model.num_layers=2", "model.hidden_size=32", "model.num_heads=2", "model.ffn_size=48", "model.vocab_size=320",
    "model.max_positions=64", "model.attention_out_dropout=0.2", "model.embedding_dropout=0.1",
]  # fmt: skip
COURSE = [
    f"train.steps={STEPS}", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2", "train.heldout_fraction=0.05",
    "train.save.probe_at_start=false", "train.save.resume_every_steps=10", "train.save.resume_every_minutes=0",
    "optim.lr=3e-3", "optim.schedule.warmup_steps=5", "optim.schedule.decay_steps=30", "parallel.threads=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def overrides(tmp_path_factory) -> list[str]:
    """A command line that trains a small net on text of 60 kB; only `run` is missing."""
    folder = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    words = ["court", "tenant", "owner", "lease", "judge", "house", "debt", "heir", "pays", "signs", "ends", "owes", "the", "a"]
    with (folder / "text.jsonl").open("w") as file:
        for _ in range(200):
            file.write(json.dumps({"text": " ".join(rng.choice(words, size=rng.integers(5, 90)))}) + "\n")
    data = [f"data.inputs=['{folder}/text.jsonl']", f"data.tokenizer={folder}/tokenizer", f"data.tokens={folder}/tokens"]
    tokenizer.run(to_config(compose("tokenizer", [*data, "tokenizer.vocab_size=300"])))
    prepare.run(to_config(compose("prepare", data)))
    return ["name=t", f"runs_dir={folder}/runs", *data, *NET, *COURSE]


def folder_of(overrides: list[str], run: str) -> Path:
    return Path(to_config(compose("train", [*overrides, f"run={run}"])).run_dir)


def lines(run: Path) -> list[dict]:
    file = run / "metrics.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")] if file.exists() else []


def start_until(overrides: list[str], run: Path, step: int, number: signal.Signals) -> subprocess.CompletedProcess:
    """Start the job, send it ``number`` once metrics.jsonl tells of ``step``, and wait for its end."""
    command = [sys.executable, "-m", "jobs.train", *overrides, f"run={run.name}"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not any(line["step"] >= step for line in lines(run)[-1:]):
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def test_killed_and_stopped_it_ends_as_if_nothing_had_happened(overrides):
    whole, cut = folder_of(overrides, "whole"), folder_of(overrides, "cut")
    train.run(to_config(compose("train", [*overrides, "run=whole"])))

    killed = start_until(overrides, cut, 15, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    at_kill = lines(cut)[-1]["step"]
    assert 15 <= at_kill < STEPS

    stopped = start_until(overrides, cut, at_kill + 12, signal.SIGTERM)
    assert stopped.returncode == EXIT_CONTINUE, stopped.stderr
    assert "the same command continues" in stopped.stderr
    manifest = json.loads((cut / "manifest.json").read_text())
    assert manifest["status"] == "interrupted"
    assert manifest["step"] == lines(cut)[-1]["step"] < STEPS

    assert train.run(to_config(compose("train", [*overrides, "run=cut"])))["status"] == "finished"
    attempts = json.loads((cut / "manifest.json").read_text())["attempts"]
    assert [attempt["from_step"] for attempt in attempts] == [0, at_kill // 10 * 10, manifest["step"]]
    series = [[(line["step"], line["tokens"], line["lr"], line["loss"], line["grad_norm"]) for line in lines(run)] for run in (whole, cut)]
    assert [step for step, *_ in series[0]] == list(range(1, STEPS + 1))
    assert series[1] == series[0]
    weights = [(run / "checkpoints" / "last" / "hf" / "model.safetensors").read_bytes() for run in (whole, cut)]
    assert weights[0] == weights[1]

    events = EventAccumulator(str(cut / "tb" / "train"), size_guidance={"scalars": 0}).Reload()
    assert len(list((cut / "tb" / "train").iterdir())) == 3
    for tag, values in (("train/loss", 3), ("train/lr", 2)):
        told = [(event.step, event.value) for event in events.Scalars(tag)]
        assert [step for step, _ in told] == list(range(1, STEPS + 1))
        assert [value for _, value in told] == pytest.approx([line[values] for line in series[0]], rel=1e-6)
