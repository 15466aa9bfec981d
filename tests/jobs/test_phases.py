"""Training in phases: exact counts of what each reads, what changes at a border, and that neither death nor another
layout can be seen."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from common.errors import UserError
from common.files import digest
from common.stop import EXIT_CONTINUE
from jobs import train
from model.megatron import checkpoint
from model.training.checkpoints.checkpoints import list_checkpoints
from model.training.timeline.timeline import build_timeline
from tests.jobs.phased import config_of, prepared
from tests.jobs.test_train_ranks import EXACT, cut_at, metrics, train_on_two
from tests.jobs.validate.refusals import refuse

LAST = {"general": 7, "terms": 13, "long": 23, "anneal": 28}
"""Last step of each phase: floor(tokens / (global_batch x seq_length)) steps each."""


@pytest.fixture(scope="session")
def phased(tmp_path_factory) -> list[str]:
    """Overrides; only `run` is missing."""
    return prepared(tmp_path_factory.mktemp("phased"))


@pytest.fixture(scope="session")
def whole(phased) -> Path:
    """The undisturbed run."""
    config = config_of([*phased, "run=whole"])
    assert train.run(config)["status"] == "finished"
    return Path(config.run_dir)


def recount(config, run: Path) -> dict[str, Counter]:
    """Tokens of each source that each phase reads, from the bytes of the mixture and the order in which the plan gives
    its packs."""
    from data_prep.tokens.indexed import read_index
    from model.training.data.shuffle import epoch_order

    found = {}
    for number, (name, samples) in enumerate({"general": 28, "terms": 24, "long": 20, "anneal": 20}.items()):
        mixture, plan = Path(config.mixture.output) / name, run / "plan" / name
        owners = np.load(mixture / "documents.npy")[:, 0]
        lengths = read_index(mixture / "tokens.idx").lengths
        source_of_token = np.repeat(owners, lengths)
        offsets, starts, sizes = (np.load(plan / f"train_{part}.npy") for part in ("offsets", "starts", "lengths"))
        order = epoch_order(len(offsets) - 1, config.seed + number, 0)[:samples]
        pieces = [piece for pack in order for piece in range(offsets[pack], offsets[pack + 1])]
        tokens = np.concatenate([source_of_token[starts[piece] : starts[piece] + sizes[piece]] for piece in pieces])
        found[name] = Counter(
            {("web", "law")[source]: int(count) for source, count in enumerate(np.bincount(tokens)) if count}
        )
    return found


def saved(run: Path, step: int) -> dict:
    return json.loads((run / "checkpoints" / f"step_{step:07d}" / "manifest.json").read_text())


def test_counts_of_every_source_and_phase_are_exact(phased, whole):
    config = config_of([*phased, "run=whole"])
    assert {phase.name: phase.last for phase in build_timeline(config).phases} == LAST
    found, expected = saved(whole, 28), recount(config, whole)
    assert {name: Counter(phase["sources"]) for name, phase in found["phases"].items()} == expected
    assert found["tokens"] == sum(sum(counts.values()) for counts in expected.values())
    assert Counter(found["sources"]) == sum(expected.values(), Counter())
    lines = metrics(whole)
    assert [line["phase"] for line in lines] == [
        next(name for name, last in LAST.items() if step <= last) for step in range(1, 29)
    ]
    for line in lines:
        assert line["loss_by_source"].keys() <= {"web", "law"}
    assert [step for step in range(1, 29) if "validation_losses" in lines[step - 1]] == list(LAST.values())
    assert list(lines[-1]["validation_losses"]) == ["law", "web"]
    assert lines[-1]["validation_loss"] == lines[-1]["validation_losses"]["law"] < lines[6]["validation_losses"]["law"]


def test_a_phase_changes_what_it_says_and_nothing_else(phased, whole):
    rates = [line["lr"] for line in metrics(whole)]
    assert rates[6] == 3e-3 and rates[7] == pytest.approx(2e-3) and rates[12:23] == [rates[12]] * 11
    assert rates[23] == pytest.approx(2e-3) and rates[23:] == sorted(rates[23:], reverse=True) and rates[-1] > 3e-4
    configs = [
        json.loads((whole / "checkpoints" / f"step_{step:07d}" / "hf" / "config.json").read_text())
        for step in LAST.values()
    ]
    assert [config["rope_parameters"]["rope_theta"] for config in configs] == [10_000, 10_000, 50_000, 50_000]
    weights = {
        step: load_file(whole / "checkpoints" / f"step_{step:07d}" / "hf" / "model.safetensors") for step in (7, 13)
    }
    first = load_file(untrained(phased, whole) / "hf" / "model.safetensors")
    for name, tensor in first.items():
        frozen = name.startswith(("model.layers.0.", "model.layers.1."))
        assert torch.equal(tensor, weights[7][name]) == frozen, name
        assert not torch.equal(tensor, weights[13][name]), name


def untrained(phased: list[str], whole: Path) -> Path:
    """The checkpoint of step 0 of a run with the same seed."""
    config = config_of(
        [*phased, "run=start", "train.checkpoint.probe_at_start=true", "budget=0.2", "optim.schedule.warmup_share=0"]
    )
    train.run(config)
    return Path(config.run_dir) / "checkpoints" / "step_0000000"


def test_moments_are_carried_or_reset(whole):
    """Updates that the optimizer counts: they go on over the first border and begin anew at the second."""
    counts = {}
    for save in list_checkpoints(whole):
        common = torch.load(save.folder / "megatron" / "common.pt", weights_only=True)
        counts[save.step] = common["updates"]
    assert {step: counts[step] for step in LAST.values()} == {7: 7, 13: 13, 23: 10, 28: 15}


@pytest.mark.long
def test_killed_in_any_phase_and_at_borders_nothing_is_seen(phased, whole, python_script, tmp_path):
    run = whole.with_name("cut")
    told = python_script("kill_train.py", "3", "6", *phased, "run=cut")
    assert told[-1] == "last 0" and sum(line.startswith("killed") for line in told) >= 4, told
    assert_equal_runs(run, whole)


@pytest.mark.parametrize("step", [7, 13])
def test_cut_off_right_after_a_border_the_next_process_goes_on_alike(phased, whole, step):
    run = whole.with_name(f"after_{step}")
    cut_at(whole, step, run)
    train.run(config_of([*phased, f"run={run.name}"]))
    assert_equal_runs(run, whole)


def assert_equal_runs(run: Path, whole: Path) -> None:
    told = [
        [
            {key: value for key, value in line.items() if key not in ("seconds", "tokens_per_second")}
            for line in metrics(one)
        ]
        for one in (run, whole)
    ]
    assert told[0] == told[1]
    assert saved(run, 28)["phases"] == saved(whole, 28)["phases"]
    files = [(one / "checkpoints" / "last" / "hf" / "model.safetensors").read_bytes() for one in (run, whole)]
    assert files[0] == files[1]


def test_asked_within_the_last_step_of_a_phase_it_ends_there(phased, whole):
    config = config_of([*phased, "run=asked", f"train.checkpoint.probe_every_steps={LAST['general']}"])
    asks = iter([lambda: os.kill(os.getpid(), signal.SIGTERM)])
    with pytest.raises(SystemExit) as end:
        train.run(config, probe=lambda save: next(asks, int)())
    assert end.value.code == EXIT_CONTINUE
    run = Path(config.run_dir)
    assert [line["step"] for line in metrics(run)] == [*range(1, LAST["general"] + 1)]
    assert json.loads((run / "manifest.json").read_text())["status"] == "interrupted"
    assert train.run(config)["status"] == "finished"
    assert [line["loss"] for line in metrics(run)] == [line["loss"] for line in metrics(whole)]


@pytest.mark.long
def test_from_two_tensor_ranks_to_two_stages_to_one_rank(phased, whole):
    """The borders and the changes at them lie on the way: TP2 to step 9, PP2 to step 18, one rank to the end."""
    tensor = whole.with_name("tensor")
    train_on_two([*phased, "run=tensor", "parallel.tensor=2"])
    assert_close_runs(tensor, whole)
    stages = whole.with_name("stages")
    cut_at(tensor, 9, stages)
    train_on_two([*phased, "run=stages", "parallel.pipeline=2"])
    assert_close_runs(stages, whole)
    one = whole.with_name("one")
    cut_at(stages, 18, one)
    train.run(config_of([*phased, "run=one"]))
    assert_close_runs(one, whole)


@pytest.mark.long
def test_two_data_ranks_read_the_same_samples(phased, whole):
    run = whole.with_name("data")
    train_on_two([*phased, "run=data", "train.micro_batch=1", "phases.general.micro_batch=2"])
    assert_close_runs(run, whole)


def assert_close_runs(run: Path, whole: Path) -> None:
    found, expected = metrics(run), metrics(whole)
    for key in ("step", "phase", "tokens", "samples", "batch", "lr"):
        assert [line[key] for line in found] == [line[key] for line in expected], key
    assert [line["loss"] for line in found] == pytest.approx([line["loss"] for line in expected], rel=10 * EXACT)
    assert saved(run, 28)["phases"] == saved(whole, 28)["phases"]


def test_a_phase_that_has_not_begun_may_change_and_others_not(phased, whole):
    run = whole.with_name("longer")
    cut_at(whole, 23, run)
    with pytest.raises(UserError, match=r"another configuration \(phases.terms.tokens: 1600 -> 1700\)"):
        train.run(config_of([*phased, "run=longer", "phases.terms.tokens=1700"]))
    more = [
        *phased,
        "run=longer",
        "phases.anneal.tokens=1000",
        "phases.after.tokens=600",
        f"phases.after.data={config_of(phased).data.validation['law']}",
    ]
    assert train.run(config_of(more))["step"] == 23 + 3 + 2
    assert list(saved(run, 28)["phases"]) == [*LAST, "after"]


def test_another_count_than_the_plan_holds_is_not_believed(phased, whole):
    run = whole.with_name("miscounted")
    cut_at(whole, 13, run)
    file = run / "checkpoints" / "step_0000013" / "megatron" / "common.pt"
    common = torch.load(file, weights_only=True)
    state = json.loads(common["state"])
    state["phases"]["terms"]["sources"]["law"] += 1
    torch.save({**common, "state": json.dumps(state)}, file)
    manifest = json.loads((run / "checkpoints" / "step_0000013" / "manifest.json").read_text())
    manifest["files"]["megatron/common.pt"] = digest(file)
    (run / "checkpoints" / "step_0000013" / "manifest.json").write_text(json.dumps(manifest))
    assert (
        checkpoint.read_state(file.parent)["phases"]["terms"]["sources"]["law"]
        == state["phases"]["terms"]["sources"]["law"]
    )
    with pytest.raises(
        UserError, match="counts 1,486 tokens in 24 samples of the phase terms, and the plan holds 1,485"
    ):
        train.run(config_of([*phased, "run=miscounted"]))


def test_phases_without_a_word_on_held_out_text_make_a_run(phased, capsys):
    given = [one for one in phased if not one.startswith(("train.validation_fraction=", "data.validation."))]
    config = config_of([*given, "run=unheld", "budget=0.2"])
    assert train.run(config)["status"] == "finished"
    run = Path(config.run_dir)
    assert "no loss on held-out text is measured: data.validation names none" in capsys.readouterr().err
    assert yaml.safe_load((run / "config.yaml").read_text())["train"]["validation_fraction"] == 0
    assert metrics(run) and not [line for line in metrics(run) if "validation_loss" in line]
    assert (
        train.run(config_of([*given, "run=unheld", "budget=0.2", "train.validation_fraction=0"]))["status"]
        == "finished"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "phases.long.tokens=900000",
            r"phases.long asks for 899,840 tokens, and .*mixture/long holds 2,6\d\d: .* readings, where mixture.max_r",
        ),
        ("phases.long.seq_length=256", "phases.long.seq_length=256 exceeds model.max_positions=128"),
        ("objective=mlm", "objective=mlm does not fit model.architecture=qwen3; set objective=causal"),
        ("model.architecture=gpt", "model.architecture=gpt is unknown; it takes qwen3, qwen2, llama, llama_biased,"),
        ("train.validation_fraction=0.1", "name prepared held-out text, such as data.validation.law"),
        ("train.steps=5", "the phases say how long they are; set both to 0"),
        ("phases.general.schedule=decay", "phases.general.schedule=decay needs a phase before it"),
        ("phases.terms.frozen=[embedings]", "'embedings' names no part of this net; did you mean 'embeddings'"),
        ("phases.general.frozen=[embeddings,layers,norms]", "leaves nothing to train"),
        ("phases.general.global_batch=3", "phases.general: train.global_batch=3 is not a multiple"),
        ("phases.web.tokens=100", "phases.web: .* holds no prepared tokens .*run jobs.mix first"),
        ("budget=0", "budget=0.0 is too small; give a number above 0"),
        ("phases={}", "train.steps=0 and train.tokens=0: set one of them, or name phases"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(phased, change, message):
    name = f"refused_{abs(hash(change))}"
    with pytest.raises(UserError, match=message) as error:
        train.run(config_of([*phased, f"run={name}", change]))
    assert "\n" not in str(error.value)
    assert not (Path(config_of(phased).runs_dir) / "p" / name / "metrics.jsonl").exists()  # not one step was made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("phases.long.tokens=900000", "phases.long asks for 899,840 tokens"),
        ("phases.long.seq_length=256", "phases.long.seq_length=256 exceeds model.max_positions=128"),
        ("parallel.tensor=4", "does not divide the 1 process"),
        ("parallel.tensor=4 cluster.tasks_per_node=4", "num_kv_heads=2 .*parallel.tensor=4"),
        ("objective=mlm", "set objective=causal"),
        ("phases.law.tokens=100", "phases.law: .*mixture/law/manifest.json does not exist"),
        ("model.lora.rank=4", "model.lora.rank=4 adapts a net that has been trained"),
        ("train.init_from=nowhere", "train.init_from: nowhere does not exist"),
    ],
)
def test_a_submission_is_refused_on_the_login_node(phased, change, message):
    with pytest.raises(UserError, match=message) as error:
        refuse("train", config_of([*phased, "run=queued", *change.split()]))
    assert "\n" not in str(error.value)
