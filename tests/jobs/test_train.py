"""`python -m jobs.train`, killed, stopped and continued, on text that went through the jobs before it."""

import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common.errors import UserError
from common.stop import EXIT_CONTINUE
from jobs import train
from jobs.launch.compose import compose, to_config
from model.training.checkpoints.checkpoints import list_checkpoints
from tests.processes import Process

STEPS = 140
SPEED = ("seconds", "tokens_per_second", "mfu")
COURSE = [
    f"train.steps={STEPS}", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2",
    "train.validation_fraction=0.05",
    "train.checkpoint.probe_at_start=false", "train.checkpoint.probe_share=0",
    "train.checkpoint.resume_every_steps=10", "train.checkpoint.resume_every_minutes=0",
    "optim.lr=3e-3", "optim.schedule.warmup_steps=5", "optim.schedule.decay_steps=30", "parallel.threads=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def overrides(trainable) -> list[str]:
    """A command line that trains a small net; only `run` is missing."""
    return [*trainable, "name=t", *COURSE]


def folder_of(overrides: list[str], run: str) -> Path:
    return Path(to_config(compose("train", [*overrides, f"run={run}"])).run_dir)


def lines(run: Path) -> list[dict]:
    file = run / "metrics.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")] if file.exists() else []


def start_until(overrides: list[str], run: Path, step: int, number: signal.Signals) -> subprocess.CompletedProcess:
    """Start the job, send it ``number`` once metrics.jsonl tells of ``step``, and wait for its end."""
    process = Process(["-m", "jobs.train", *overrides, f"run={run.name}"])
    while process.poll() is None and not any(line["step"] >= step for line in lines(run)[-1:]):
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.long
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
    series = [
        [(line["step"], line["tokens"], line["lr"], line["loss"], line["grad_norm"]) for line in lines(run)]
        for run in (whole, cut)
    ]
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


@pytest.mark.long
def test_a_storm_of_kills_leaves_no_trace(trainable, python_script):
    """Twelve kills, most of them within a checkpoint: the curve is that of an undisturbed run, bit for bit, and each
    step stands once."""
    course = [item for item in COURSE if "steps" not in item] + [
        "train.steps=60",
        "train.checkpoint.resume_every_steps=4",
    ]
    more = [
        "train.checkpoint.probe_every_steps=16",
        "train.eval_every_steps=7",
        "optim.schedule.decay_steps=20",
        "optim.schedule.warmup_steps=5",
    ]
    overrides = [*trainable, "name=storm", *course, *more]
    whole, cut = folder_of(overrides, "whole"), folder_of(overrides, "cut")
    train.run(to_config(compose("train", [*overrides, "run=whole"])))
    told = python_script("kill_train.py", "3", "12", *overrides, "run=cut")
    killed = [line for line in told if line.startswith("killed")]
    assert len(killed) >= 10 and told[-1] == "last 0", told
    assert sum("within step" in line for line in killed) >= 3, told

    told = [
        [{key: value for key, value in line.items() if key not in SPEED} for line in lines(run)] for run in (whole, cut)
    ]
    assert [line["step"] for line in told[0]] == list(range(1, 61))
    assert told[1] == told[0]
    for name in ("checkpoints/last/hf/model.safetensors", "checkpoints/step_0000048/hf/model.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert [checkpoint.step for checkpoint in list_checkpoints(cut)] == [
        checkpoint.step for checkpoint in list_checkpoints(whole)
    ]
    assert not list(cut.rglob(".aside-*"))
    events = EventAccumulator(str(cut / "tb" / "train"), size_guidance={"scalars": 0}).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, 61))
    assert [event.step for event in events.Scalars("validation/loss")] == [
        line["step"] for line in told[0] if "validation_loss" in line
    ]


def test_a_plain_run_warms_up_decays_saves_ten_times_and_says_how_often_its_text_is_read(trainable, capsys):
    """As the README has it: nothing is given but a length and a rate."""
    plain = [*trainable, "name=plain", "train.steps=2000", "optim.lr=8e-4", "train.seq_length=64", "parallel.threads=1"]
    train.run(to_config(compose("train", [*plain, "dry_run=true"])))
    told = capsys.readouterr().out
    assert "probe checkpoints  11: 0, 200, 400, 600, 800, ..., 1800, 2000" in told
    assert re.search(
        r"warning: \S*/tokens is read [\d,.]+ times, and text that is read more than 4 times teaches little more", told
    )
    sketch = next(line for line in told.splitlines() if line.startswith("learning rate"))
    bars = sketch.removeprefix("learning rate").partition(" peak")[0][4:]
    assert bars[0] < "▄" and bars[-1] < "▄" and bars.count("█") > 40, sketch
    assert "precision        fp32" in told

    course = [
        "train.steps=20",
        "train.global_batch=2",
        "train.micro_batch=2",
        "train.checkpoint.resume_every_minutes=0",
    ]
    run = folder_of([*plain, *course], "checkpoints")
    train.run(to_config(compose("train", [*plain, *course, "run=checkpoints"])))
    told = capsys.readouterr().err
    assert "1 x cpu, fp32" in told and "warning" not in told
    assert [checkpoint.step for checkpoint in list_checkpoints(run)] == [*range(0, 21, 2)]
    rates = [line["lr"] for line in lines(run) if line["step"]]
    assert max(rates) == rates[0] == rates[18] > rates[19]
    train.run(to_config(compose("train", [*plain, *course, "run=read", "train.steps=400", "dry_run=true"])))
    assert "warning" not in capsys.readouterr().out


def test_a_run_from_a_folder_needs_no_shape_and_unused_rows_are_said(trainable, tmp_path, capsys):
    """From an hf/ half, with none of the keys of section `model` given; with rows that no token has."""
    course = [
        "train.steps=4",
        "train.seq_length=64",
        "train.global_batch=2",
        "train.micro_batch=2",
        "parallel.threads=1",
        "name=auto",
    ]
    train.run(to_config(compose("train", [*trainable, *course, "run=base", "model.vocab_size=auto"])))
    told = capsys.readouterr().err
    assert "model.vocab_size=auto: 384 rows for the 300 tokens" in told
    assert re.search(r"vocabulary: 300 tokens of \S+/tokenizer in 384 rows of the net; 21.9% are unused", told)
    base = folder_of([*trainable, "name=auto"], "base")
    bare = [one for one in trainable if not one.startswith("model.")]
    start = [*bare, *course, "run=more", f"train.init_from={base}/checkpoints/last/hf"]
    train.run(to_config(compose("train", [*start, "dry_run=true"])))
    told = capsys.readouterr()
    assert "300 tokens of" in told.out and "in 384 rows" in told.out
    assert (
        "model=auto: modernbert, 2 layers of 32, 2 heads, feed-forward 48, vocabulary 384, up to 64 tokens" in told.err
    )
    train.run(to_config(compose("train", start)))
    frozen = [yaml.safe_load((base.parent / run / "config.yaml").read_text())["model"] for run in ("base", "more")]
    assert {key for key in frozen[0] if frozen[0][key] != frozen[1][key]} <= {
        "decoder_bias_init",
        "global_every",
    }  # 3 or 2 of two layers is one
    assert train.run(to_config(compose("train", [*start, "train.steps=5"])))["step"] == 5
    with pytest.raises(
        UserError, match="objective=causal does not fit model.architecture=modernbert; set objective=mlm"
    ):
        train.run(to_config(compose("train", [*start, "run=third", "objective=causal"])))


@pytest.mark.parametrize("moment", ["between steps", "within a checkpoint"])
def test_a_run_that_is_removed_says_so_and_leaves_nothing(overrides, moment):
    run = folder_of(overrides, f"removed_{moment.replace(' ', '_')}")
    more = ["train.steps=5000", "train.checkpoint.resume_every_steps=3"]
    process = Process(["-m", "jobs.train", *overrides, f"run={run.name}", *more])
    while process.poll() is None and (
        len(lines(run)) < 15 or bool(list(run.glob("checkpoints/.aside-*"))) != (moment == "within a checkpoint")
    ):
        time.sleep(0.0005)
    process.send_signal(signal.SIGSTOP)
    shutil.rmtree(run)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "Traceback" not in err, err
    assert err.splitlines()[-1].startswith(f"error: {run} was removed or moved while this process wrote there"), err
    assert not run.exists(), sorted(run.rglob("*"))
