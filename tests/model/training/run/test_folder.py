"""The run folder: frozen at the first attempt, continued when equal, refused with a diff when not."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml

from common.errors import UserError
from model.training.run.config import difference
from model.training.run.folder import open_run

INPUTS = {"tokens": {"path": "data/tokens", "digests": {"tokens.bin": "aa", "tokens.idx": "bb"}}}

WHOLE = hashlib.sha256(b"whole").hexdigest()


def change(config, dotted: str, value):
    """A copy of ``config`` with one dotted key changed."""
    head, _, rest = dotted.partition(".")
    return dataclasses.replace(config, **{head: change(getattr(config, head), rest, value) if rest else value})


def begun(config):
    """The run of ``config``, begun, with a checkpoint of step 5."""
    run = open_run(config)
    run.begin(0, inputs=INPUTS)
    checkpoint = run.folder / "checkpoints" / "step_0000005"
    checkpoint.mkdir(parents=True)
    (checkpoint / "tensors").write_text("whole")
    (checkpoint / "manifest.json").write_text(
        json.dumps({"kind": "checkpoint", "step": 5, "checkpoint": "resume", "files": {"tensors": WHOLE}})
    )
    return run


def test_first_attempt_freezes_and_the_second_continues(config):
    run = open_run(config)
    assert not run.folder.exists()
    run.begin(0, inputs=INPUTS, plan="cafe")
    frozen = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert frozen["optim"]["lr"] == 3e-3
    assert frozen["train"]["checkpoint"]["keep_last"] == 2
    assert set(frozen) == {
        "name",
        "seed",
        "data",
        "phases",
        "budget",
        "model",
        "objective",
        "optim",
        "parallel",
        "train",
    }
    run.end("interrupted", 5)
    again = open_run(config)
    again.check_inputs(INPUTS)
    again.begin(5, inputs=INPUTS, plan="cafe")
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["kind"] == "run"
    assert manifest["status"] == "running"
    assert [(a["number"], a["from_step"], a.get("status")) for a in manifest["attempts"]] == [
        (1, 0, "interrupted"),
        (2, 5, None),
    ]
    assert manifest["inputs"] == INPUTS
    assert again.attempt == 2


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("optim.lr", 1e-3, r"optim\.lr: 0\.003 -> 0\.001"),
        ("seed", 2, "seed: 1 -> 2"),
        ("model.num_layers", 4, r"model\.num_layers: 2 -> 4"),
        ("train.global_batch", 8, r"train\.global_batch: 4 -> 8"),
        ("parallel.precision", "bf16", r"parallel\.precision: fp32 -> bf16"),
        ("optim.schedule.warmup_steps", 3, r"optim\.schedule\.warmup_steps: 2 -> 3"),
    ],
)
def test_another_configuration_is_refused_with_the_diff(config, key, value, told):
    config = change(config, "parallel.precision", "fp32")
    begun(config)
    with pytest.raises(UserError, match=told):
        open_run(change(config, key, value))


@pytest.mark.parametrize(
    ("key", "value"), [("train.checkpoint.keep_last", 5), ("train.log_every_steps", 7), ("data.tokens", "moved/here")]
)
def test_what_only_watches_may_change(config, key, value):
    begun(config)
    run = open_run(change(config, key, value))
    run.begin(3)
    assert key.rpartition(".")[2] in (Path(config.run_dir) / "config.yaml").read_text()
    assert open_run(change(config, key, value)).extended == {}


def test_another_layout_is_taken_and_reported(config):
    begun(config)
    assert open_run(change(config, "parallel.tensor", 2)).relaid == {"parallel.tensor": (1, 2)}


@pytest.mark.parametrize(
    ("key", "before", "value"),
    [
        ("train.steps", 12, 99),
        ("train.tokens", None, 9000),
        ("optim.schedule.decay_steps", 4, 6),
        ("optim.schedule.decay_share", None, 0.25),
        ("optim.schedule.decay_shape", "1-sqrt", "linear"),
        ("optim.schedule.min_lr_ratio", 0.0, 0.1),
    ],
)
def test_a_longer_run_or_another_end_of_its_schedule_is_reported(config, key, before, value):
    begun(config)
    assert open_run(change(config, key, value)).extended == {key: (before, value)}


def test_threads_are_frozen_at_the_start(config):
    config = change(config, "parallel.threads", 0)
    run = open_run(config)
    run.config["parallel"]["threads"] = 17  # as if a machine with 17 cores had started it
    run.begin(0)
    assert open_run(config).config["parallel"]["threads"] == 17


@pytest.mark.parametrize(("bf16", "settled"), [(True, "bf16"), (False, "fp32")])
def test_a_precision_that_is_left_open_is_that_of_the_device_the_run_began_on(config, bf16, settled):
    assert config.parallel.precision == "auto"
    begun(
        change(config, "parallel.precision", config.parallel.on(bf16).precision)
    )  # as `prepare_run` has it from the device
    again = open_run(config)
    assert again.config["parallel"]["precision"] == again.settled(config).parallel.precision == settled
    other = {"bf16": "fp32", "fp32": "bf16"}[settled]
    with pytest.raises(UserError, match=rf"parallel\.precision: {settled} -> {other}"):
        open_run(change(config, "parallel.precision", other))
    assert config.parallel.on(bf16).on(not bf16).precision == settled


def test_the_shares_of_the_schedule_are_frozen_as_numbers_and_older_runs_keep_theirs(config):
    open_schedule = dataclasses.replace(config.optim.schedule, warmup_steps=0, decay_steps=0)
    config = change(config, "optim.schedule", open_schedule)
    run = open_run(config)
    frozen = run.config["optim"]["schedule"]
    assert (frozen["warmup_share"], frozen["decay_share"]) == (0.05, 0.1)
    frozen.update(warmup_share=0.0, decay_share=0.0)  # as if written before there were defaults
    begun(config)
    run.begin(0)
    again = open_run(config)
    assert again.extended == {} and again.settled(config).optim.schedule.decay_share == 0.0
    with pytest.raises(UserError, match=r"optim\.schedule\.warmup_steps: 0 -> 3"):
        open_run(change(config, "optim.schedule.warmup_steps", 3))


def test_a_number_of_the_net_that_fp32_does_not_tell_apart_goes_on_as_it_was(config):
    begun(change(config, "model.norm_eps", 9.999999747378752e-06))
    again = open_run(change(config, "model.norm_eps", 1e-5))
    assert again.settled(config).model.norm_eps == 9.999999747378752e-06
    with pytest.raises(UserError, match=r"model\.norm_eps: 9.999999747378752e-06 -> 1.001e-05"):
        open_run(change(config, "model.norm_eps", 1.001e-5))


def leave(config, what: str) -> Path:
    """What a run may have left that has no checkpoint, or none that is whole."""
    run = begun(config) if what in ("finished", "damaged", "cut off") else open_run(config)
    if what not in ("finished", "damaged", "cut off"):
        run.begin(0, inputs=INPUTS, start="models/old")
    for name in (
        "metrics.jsonl",
        "tb/train/events.out.tfevents.1.a",
        "tb/hparams/events.out.tfevents.2.a",
        "eval/step_0000005.json",
    ):
        file = run.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}\n")
    checkpoint = run.folder / "checkpoints" / "step_0000005"
    if what == "damaged":
        (checkpoint / "tensors").write_text("whol")
    if what == "cut off":
        (checkpoint / "manifest.json").unlink()
    if what == "half-written":
        (checkpoint.parent / ".aside-step_0000005-1-0123abcd").mkdir(parents=True)
    if what != "killed":
        run.end("finished" if what == "finished" else "failed", 5)
    return run.folder


@pytest.mark.parametrize("what", ["diverged", "killed", "half-written", "cut off", "damaged"])
@pytest.mark.parametrize(("key", "value"), [("optim.lr", 1e-3), ("train.init_from", "models/new"), ("train.steps", 99)])
def test_a_run_without_a_checkpoint_takes_any_configuration_and_nothing_of_the_former_stays(config, what, key, value):
    folder = leave(config, what)
    other = change(config, key, value)
    run = open_run(other)
    assert list(run.replaced) == [key] and run.manifest == {} and not run.extended
    assert (folder / "metrics.jsonl").exists()  # nothing is taken away before it begins
    run.begin(0, inputs=INPUTS)
    assert not (folder / "metrics.jsonl").exists() and not list(folder.glob("tb/*/events.*"))
    assert not (folder / "eval").exists() and len(list(folder.glob("eval.kept-*"))) == 1
    assert not (folder / "checkpoints" / "step_0000005").exists() and not list(
        (folder / "checkpoints").glob(".aside-*")
    )
    assert len(list((folder / "checkpoints").glob("*.kept-*"))) == (what in ("cut off", "damaged"))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "start" not in manifest and len(manifest["attempts"]) == 1
    assert open_run(other).replaced == {} and list(open_run(config).replaced) == [key]


def test_other_text_is_taken_by_a_run_without_a_checkpoint(config, capsys):
    leave(config, "killed")
    run, other = (
        open_run(config),
        {"tokens": {"path": "elsewhere", "digests": {"tokens.bin": "aa", "tokens.idx": "zz"}}},
    )
    run.check_inputs(other)
    assert run.replaced == {"data.tokens": ("data/tokens", "elsewhere")} and run.manifest == {}
    assert (
        "has no checkpoint, so it begins anew with what elsewhere holds now (data.tokens)"
        in capsys.readouterr().err.replace("\n", " ")
    )
    run.begin(0, inputs=other)
    open_run(config).check_inputs(other)


def test_a_finished_run_keeps_its_configuration_even_without_its_checkpoints(config):
    shutil.rmtree(leave(config, "finished") / "checkpoints")
    with pytest.raises(UserError, match=r"another configuration \(optim.lr: 0.003 -> 0.001\)"):
        open_run(change(config, "optim.lr", 1e-3))


def test_other_bytes_are_refused(config):
    begun(config)
    with pytest.raises(UserError, match=r"elsewhere/tokens.idx is not what the run .* was started with"):
        open_run(config).check_inputs(
            {"tokens": {"path": "elsewhere", "digests": {"tokens.bin": "aa", "tokens.idx": "zz"}}}
        )


def test_a_damaged_configuration_is_named_and_a_lost_manifest_is_made_anew(config):
    open_run(config).begin(0)
    file = Path(config.run_dir) / "manifest.json"
    file.unlink()
    open_run(config).begin(0)
    assert len(json.loads(file.read_text())["attempts"]) == 1
    (Path(config.run_dir) / "config.yaml").write_text("optim: {lr: [")
    with pytest.raises(UserError, match="cannot read .*config.yaml"):
        open_run(config)


def test_checkpoints_of_another_run_are_not_ours(config):
    run = open_run(config)
    run.begin(0, inputs=INPUTS, plan="cafe")
    other = dataclasses.replace(config, run_dir=f"{config.run_dir}_2")
    Path(other.run_dir).mkdir()
    link = Path(other.run_dir, "checkpoints")
    link.symlink_to(run.folder / "checkpoints")
    with pytest.raises(UserError, match="is a link to the checkpoints of another run"):
        open_run(other)
    link.unlink()
    (Path(config.runs_dir) / "scratch").mkdir(parents=True)
    link.symlink_to(Path(config.runs_dir) / "scratch")  # another disk is fine
    assert open_run(other).folder == Path(other.run_dir)


def test_difference_names_dotted_keys():
    assert difference({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 5}, "e": 4}) == {
        "a.c": (2, 5),
        "d": (3, None),
        "e": (None, 4),
    }
