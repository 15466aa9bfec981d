"""Whole trainings of a tiny net on a few kB of text, through `jobs.train.run`."""

import json
import math
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from common.errors import UserError
from common.layout import checkpoint_name
from conf.schema import Config
from conf.schema.replace import with_value
from jobs import train
from model.training.checkpoints.checkpoints import PROBE, RESUME, list_checkpoints, verify
from tests.model.megatron import attacks


def change(config: Config, **values) -> Config:
    """A copy with dotted keys changed, dots written as two underscores."""
    for key, value in values.items():
        config = with_value(config, key.replace("__", "."), value)
    return config


def elsewhere(config: Config, run: str) -> Config:
    """The same training in another run folder."""
    return change(config, run=run, run_dir=str(Path(config.runs_dir) / config.name / run))


def weights(config: Config, step: int) -> dict[str, torch.Tensor]:
    """Parameters of a probe checkpoint."""
    from safetensors.torch import load_file

    return load_file(Path(config.run_dir) / "checkpoints" / checkpoint_name(step) / "hf" / "model.safetensors")


def test_loss_falls_and_the_run_folder_holds_what_is_said(config, metrics):
    config = change(
        config, train__steps=60, optim__lr=1e-2, train__eval_every_steps=20, train__checkpoint__probe_at_start=True
    )
    summary = train.run(config)
    lines = metrics(config.run_dir)
    assert [line["step"] for line in lines] == list(range(61))
    losses = [line["loss"] for line in lines[1:]]
    assert math.log(config.model.vocab_size) == pytest.approx(losses[0], rel=0.05)
    assert sum(losses[-5:]) / 5 < losses[0] - 2
    held = {line["step"]: line["validation_loss"] for line in lines if "validation_loss" in line}
    assert list(held) == [0, 20, 40, 60]
    assert held[60] < held[20] < held[0]
    run = Path(config.run_dir)
    names = {"config.yaml", "manifest.json", "metrics.jsonl", "owner.json", "tb", "plan", "checkpoints"}
    assert {path.name for path in run.iterdir()} == names
    assert [(checkpoint.step, checkpoint.kind) for checkpoint in list_checkpoints(run)] == [(0, PROBE), (60, PROBE)]
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["status"], manifest["step"], len(manifest["attempts"])) == ("finished", 60, 1)
    saved = list_checkpoints(run)[-1].manifest
    assert (saved["tokens"], saved["samples"]) == (lines[-1]["tokens"], 240)
    assert saved["sources"] == {config.data.tokens: saved["tokens"]}
    assert (saved["loss"], saved["validation_loss"]) == (losses[-1], held[60])
    assert (summary["run_dir"], summary["status"], summary["step"]) == (config.run_dir, "finished", 60)
    assert [summary[name] for name in ("tokens", "loss", "validation_loss")] == [saved["tokens"], losses[-1], held[60]]


def test_two_identical_runs_are_equal(config, metrics):
    other = elsewhere(config, "again")
    for each in (config, other):
        train.run(each)
    first, second = ([(line["loss"], line["grad_norm"]) for line in metrics(each.run_dir)] for each in (config, other))
    assert first == second
    ours, theirs = weights(config, 12), weights(other, 12)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_finished_run_is_left_alone(config, capsys):
    train.run(config)
    before = (Path(config.run_dir) / "manifest.json").read_bytes()
    assert train.run(config)["status"] == "finished"
    assert "is finished" in capsys.readouterr().err
    assert (Path(config.run_dir) / "manifest.json").read_bytes() == before


def test_decay_branch_repeats_the_decay_of_the_whole_run(config, metrics):
    whole = change(config, train__checkpoint__resume_every_steps=8)
    train.run(whole)
    branch = change(
        elsewhere(config, "branch"),
        train__branch_from=f"{whole.run_dir}/checkpoints/{checkpoint_name(8)}",
        train__decay_only=True,
        train__steps=0,
    )
    train.run(branch)
    expected = [(line["step"], line["lr"], line["loss"]) for line in metrics(whole.run_dir)[8:]]
    found = [(line["step"], line["lr"], line["loss"]) for line in metrics(branch.run_dir)]
    assert [step for step, _, _ in found] == [9, 10, 11, 12]
    assert [(step, loss) for step, _, loss in found] == [(step, loss) for step, _, loss in expected]
    assert [lr for _, lr, _ in found] == pytest.approx([lr for _, lr, _ in expected], rel=1e-12)
    assert json.loads((Path(branch.run_dir) / "manifest.json").read_text())["branch"]["step"] == 8
    with pytest.raises(UserError, match="was trained on another order of data"):
        train.run(change(elsewhere(branch, "seed_2"), seed=2))
    with pytest.raises(UserError, match="holds another net"):
        train.run(change(elsewhere(branch, "wider"), model__ffn_size=64))


@pytest.mark.parametrize(
    "attack", [attacks.by_psutil, attacks.bytes_entry, attacks.tensor_files, attacks.common, attacks.OUTSIDE[0]]
)
def test_a_branch_from_a_checkpoint_of_a_stranger_runs_no_code(config, tmp_path, attack):
    short = change(config, train__steps=2, optim__schedule__kind="constant")
    train.run(short)
    theirs = Path(short.run_dir) / "checkpoints" / checkpoint_name(2)
    attacks.handed_over(theirs, attack, tmp_path / "hurt")
    with pytest.raises(UserError, match="choose another checkpoint") as told:
        train.run(change(elsewhere(short, "branch"), train__branch_from=str(theirs), train__steps=4))
    assert str(theirs) in str(told.value) and not (tmp_path / "hurt").exists()


def test_a_training_leaves_linked_checkpoints_of_somebody_alone(config):
    keys = {
        "optim__schedule__kind": "constant",
        "train__checkpoint__resume_every_steps": 2,
        "train__checkpoint__keep_last": 1,
    }
    theirs, ours = (
        change(elsewhere(config, "theirs"), train__steps=4, **{**keys, "train__checkpoint__keep_last": 9}),
        change(config, **keys),
    )
    train.run(theirs)
    link = Path(ours.run_dir) / "checkpoints" / checkpoint_name(2)
    link.parent.mkdir(parents=True)
    link.symlink_to(Path(theirs.run_dir) / "checkpoints" / checkpoint_name(2))
    before = {path: path.read_bytes() for path in Path(theirs.run_dir).rglob("*") if path.is_file()}
    train.run(change(ours, train__steps=4))
    assert {path: path.read_bytes() for path in Path(theirs.run_dir).rglob("*") if path.is_file()} == before
    assert [checkpoint.step for checkpoint in list_checkpoints(ours.run_dir)][-1] == 4


def test_an_extended_run_equals_a_long_one(config, metrics):
    config = change(config, optim__schedule__kind="constant")
    long = change(elsewhere(config, "long"), train__steps=18)
    train.run(long)
    train.run(config)
    train.run(change(config, train__steps=18))
    assert [line["loss"] for line in metrics(config.run_dir)] == [line["loss"] for line in metrics(long.run_dir)]
    assert "steps: 18" in (Path(config.run_dir) / "config.yaml").read_text()


def test_a_broken_checkpoint_costs_the_steps_since_the_one_before(config, metrics, capsys):
    short = change(config, optim__schedule__kind="constant", train__checkpoint__resume_every_steps=3)
    whole = change(elsewhere(short, "whole"), train__steps=16)
    train.run(whole)
    train.run(short)
    damaged = Path(short.run_dir) / "checkpoints" / checkpoint_name(12) / "megatron" / "__0_0.distcp"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    capsys.readouterr()
    train.run(change(short, train__steps=16))
    assert "step_0000012 is broken" in capsys.readouterr().err
    attempts = json.loads((Path(short.run_dir) / "manifest.json").read_text())["attempts"]
    assert [attempt["from_step"] for attempt in attempts] == [0, 9]
    assert [line["loss"] for line in metrics(short.run_dir)] == [line["loss"] for line in metrics(whole.run_dir)]
    assert all(verify(checkpoint) is None for checkpoint in list_checkpoints(short.run_dir))


def test_one_checkpoint_serves_both_kinds_and_old_ones_go(config):
    config = change(
        config,
        train__checkpoint__probe_every_steps=6,
        train__checkpoint__resume_every_steps=2,
        train__checkpoint__keep_last=1,
    )
    train.run(config)
    assert [(checkpoint.step, checkpoint.kind) for checkpoint in list_checkpoints(config.run_dir)] == [
        (6, PROBE),
        (10, RESUME),
        (12, PROBE),
    ]
    assert not (Path(config.run_dir) / "checkpoints" / checkpoint_name(10) / "hf").exists()
    assert (Path(config.run_dir) / "checkpoints" / checkpoint_name(6) / "hf" / "tokenizer.json").is_file()


def test_batch_ramp(config, metrics):
    config = change(config, train__batch_ramp_start=2, train__global_batch=8, train__batch_ramp_tokens=64 * 16)
    train.run(config)
    lines = metrics(config.run_dir)
    assert [line["batch"] for line in lines] == [2, 2, 2, 4, 4, 6, *[8] * 6]
    assert [line["samples"] for line in lines][:7] == [2, 4, 6, 10, 14, 20, 28]


def test_nan_stops_the_run_and_is_never_saved(config, metrics):
    config = change(config, optim__lr=1e30, optim__schedule__warmup_steps=0, train__checkpoint__resume_every_steps=1)
    with pytest.raises(UserError, match=r"not finite 3 steps in a row, last at step \d+ \(samples \d+ to \d+\)"):
        train.run(config)
    lines = metrics(config.run_dir)
    assert [line["loss"] for line in lines if line["skipped"]] == [None, None]
    manifest = json.loads((Path(config.run_dir) / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    for checkpoint in list_checkpoints(config.run_dir):
        assert checkpoint.manifest["loss"] is None or math.isfinite(checkpoint.manifest["loss"])
    with pytest.raises(UserError, match=r"parameter \S+ is not finite at step 1, so no checkpoint is made"):
        train.run(change(elsewhere(config, "overflow"), optim__lr=1e39))
    assert list_checkpoints(Path(config.runs_dir) / "test" / "overflow") == []


def test_a_run_that_diverged_before_its_first_checkpoint_takes_the_rate_that_its_message_asks_for(config, metrics):
    """And goes as one that was never anything else."""
    wild = change(config, optim__lr=1e30, optim__schedule__warmup_steps=0)
    with pytest.raises(UserError, match=r"lower optim.lr and give the same command again"):
        train.run(wild)
    assert metrics(config.run_dir) and list_checkpoints(config.run_dir) == []
    calm = change(wild, optim__lr=3e-3, train__steps=6)
    train.run(change(calm, dry_run=True))
    assert len(metrics(config.run_dir)) < 6  # a dry run takes nothing away
    train.run(calm)
    train.run(elsewhere(calm, "fresh"))
    series = [
        [(line["step"], line["lr"], line["loss"]) for line in metrics(one.run_dir)]
        for one in (calm, elsewhere(calm, "fresh"))
    ]
    assert series[0] == series[1] and len(series[0]) == 6
    run = Path(config.run_dir)
    assert yaml.safe_load((run / "config.yaml").read_text())["optim"]["lr"] == 3e-3
    assert len(json.loads((run / "manifest.json").read_text())["attempts"]) == 1
    assert (
        len(list((run / "tb" / "train").iterdir())) == 1
    )  # of the former nothing is left, for readers that know no purge either


def test_a_run_that_diverges_after_a_checkpoint_names_the_branch_that_works(config, tmp_path):
    wild = change(config, optim__lr=1e30, optim__schedule__warmup_steps=0, train__checkpoint__probe_at_start=True)
    with pytest.raises(
        UserError, match=r"another run=<name>, which with train.branch_from=\S+step_0000000 goes on"
    ) as told:
        train.run(wild)
    calm = change(wild, optim__lr=3e-3)
    with pytest.raises(
        UserError, match="holds a run with another configuration .*choose another run=<name>, set these back, or remove"
    ):
        train.run(calm)
    checkpoint = re.search(r"train.branch_from=(\S+)", str(told.value))[1]
    assert train.run(change(elsewhere(calm, "branch"), train__branch_from=checkpoint))["status"] == "finished"
    shutil.rmtree(config.run_dir)
    assert train.run(calm)["status"] == "finished"


@pytest.mark.parametrize("kind", ["init_from", "branch_from"])
def test_a_run_without_a_checkpoint_starts_from_another_net_than_before(config, kind):
    """The one that its first attempt found is not remembered."""
    one, two = (
        change(elsewhere(config, name), seed=number, train__steps=7) for number, name in enumerate(("one", "two"))
    )
    checkpoints = []
    for base in (one, two):
        train.run(base)
        checkpoints.append(str(list_checkpoints(base.run_dir)[-1].folder))
    killed = change(
        two, optim__schedule__warmup_steps=0, optim__lr=1e30, train__steps=16, **{f"train__{kind}": checkpoints[0]}
    )
    killed = elsewhere(change(killed, seed=0), "killed")
    with pytest.raises(UserError, match="lower optim.lr"):
        train.run(killed)
    then = change(killed, optim__lr=1e-3, seed=1, **{f"train__{kind}": checkpoints[1]})
    train.run(then)
    fresh = elsewhere(then, "fresh")
    train.run(fresh)
    step = list_checkpoints(fresh.run_dir)[-1].step
    ours, theirs = weights(then, step), weights(fresh, step)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    told = json.loads((Path(then.run_dir) / "manifest.json").read_text())
    assert (told["start"] if kind == "init_from" else told["branch"]["checkpoint"]) == checkpoints[1]


def test_log_unigram_starts_at_the_entropy_of_the_unigram(config, metrics):
    losses = {}
    for kind in ("zeros", "log_unigram"):
        each = change(
            elsewhere(config, kind), model__decoder_bias_init=kind, train__steps=5, optim__schedule__decay_steps=1
        )
        train.run(each)
        losses[kind] = metrics(each.run_dir)[0]["loss"]
    assert losses["zeros"] == pytest.approx(math.log(config.model.vocab_size), rel=0.05)
    assert losses["log_unigram"] < losses["zeros"] - 1.5


def test_what_others_draw_does_not_change_the_training(config, metrics):
    """Held-out evaluation at every step, and a probe that draws from every generator, leave masks and dropout as they
    are."""
    seen = []

    def draw(checkpoint) -> None:
        torch.rand(7), np.random.rand(7), random.random()
        seen.append((checkpoint.step, checkpoint.kind))

    often = change(
        elsewhere(config, "often"),
        train__eval_every_steps=1,
        train__checkpoint__probe_every_steps=3,
        train__checkpoint__resume_every_steps=2,
    )
    train.run(config)
    train.run(often, probe=draw)
    assert seen == [(3, PROBE), (6, PROBE), (9, PROBE), (12, PROBE)]
    assert [line["loss"] for line in metrics(config.run_dir)] == [line["loss"] for line in metrics(often.run_dir)]


def test_other_text_under_the_same_name_is_refused(config, corpus, tmp_path, write_tokens):
    config = change(config, optim__schedule__kind="constant", data__tokens=str(tmp_path / "tokens"))
    vocab_size = json.loads((corpus / "tokens" / "manifest.json").read_text())["vocab_size"]
    write_tokens(tmp_path / "tokens", [list(range(5, 60))] * 9, corpus / "tokenizer", vocab_size)
    train.run(config)
    write_tokens(tmp_path / "tokens", [list(range(5, 61))] * 9, corpus / "tokenizer", vocab_size)
    with pytest.raises(UserError, match="tokens.bin is not what the run .* was started with"):
        train.run(change(config, train__steps=20))
    moved = change(config, data__tokens=str(shutil.move(tmp_path / "tokens", tmp_path / "moved")), train__steps=20)
    write_tokens(tmp_path / "moved", [list(range(5, 60))] * 9, corpus / "tokenizer", vocab_size)
    assert train.run(moved)["step"] == 20


def test_dry_run_tells_and_writes_nothing(config, capsys):
    config = change(
        config, dry_run=True, train__checkpoint__probe_every_steps=5, train__checkpoint__probe_at_start=True
    )
    assert train.run(config)["status"] == "planned"
    told = capsys.readouterr().out
    assert "probe checkpoints  4: 0, 5, 10, 12" in told
    assert "samples a step     4 (2 a forward pass)" in told
    assert "48 samples, 0.55 epochs" in told
    assert not Path(config.runs_dir).exists()


def test_a_net_without_a_hugging_face_form_trains_and_resumes(config, capsys):
    config = change(
        config, model__norm="rmsnorm", optim__schedule__kind="constant", train__checkpoint__probe_every_steps=6
    )
    train.run(config)
    assert "cannot be probed" in capsys.readouterr().err
    assert [(checkpoint.step, checkpoint.kind) for checkpoint in list_checkpoints(config.run_dir)] == [
        (6, RESUME),
        (12, RESUME),
    ]
    assert train.run(change(config, train__steps=14))["step"] == 14


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("train__seq_length", 65, "train.seq_length=65 exceeds model.max_positions=64"),
        ("train__steps", 0, "set one of them"),
        ("train__global_batch", 5, "train.global_batch=5 is not a multiple"),
        ("model__vocab_size", 64, "model.vocab_size=64 is smaller than the vocabulary"),
        ("data__tokens", "nowhere", "data.tokens: nowhere holds no prepared tokens"),
        ("optim__schedule__decay_steps", 11, "do not fit into 12 steps"),
        ("train__decay_only", True, "name that checkpoint in train.branch_from"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(config, key, value, told):
    with pytest.raises(UserError, match=told):
        train.run(change(config, **{key: value}))
    assert not Path(config.runs_dir).exists()


def test_a_backend_of_attention_that_does_not_run_here_is_refused_before_the_run_begins(config):
    with pytest.raises(UserError, match="parallel.attention=flash does not run here"):
        train.run(change(config, parallel__attention="flash"))
    assert not (Path(config.run_dir) / "config.yaml").exists()
