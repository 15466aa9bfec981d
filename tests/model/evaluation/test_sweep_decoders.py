"""Sweeps over checkpoints of decoders: perplexity beside or without retrieval, nothing done twice, the best checkpoint
by what was asked for."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common.claim import Claim
from common.errors import UserError
from common.files import read_json, write_json
from conf.schema import Config, ProbeConfig
from model.evaluation.interface.store import claim_file, record_file, result_file
from model.evaluation.registry import wanted_ahead
from model.evaluation.report.run import full_verdict, write_report
from model.evaluation.report.statements import statements
from model.evaluation.sweep import probe_runs, sweep, sweep_runs
from model.training.checkpoints.checkpoints import linked, list_checkpoints
from model.training.checkpoints.retention import apply_retention
from model.training.timeline.phase import MAIN
from tests.model.evaluation import decoder_runs as runs

STEPS = {0: 1, 10: 2, 20: 3}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, dict[str, list[str]]]:
    root = tmp_path_factory.mktemp("decoders")
    phases = {10: [MAIN], 20: ["general", "law"]}
    runs.make_run(root / "runs" / "cpt" / "seed_0", runs.write_tokenizer(root / "tokenizer"), STEPS, phases=phases)
    texts = {name: runs.write_texts(root / name / "held.jsonl", seed) for seed, name in enumerate(("law", "prose"))}
    return root, texts


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made[0] / "runs", tmp_path / "runs", symlinks=True)) / "cpt" / "seed_0"


@pytest.fixture
def config(made, run) -> Config:
    config = Config(name="cpt")
    config.sweep.run, config.sweep.bootstrap, config.parallel.threads = str(run), 50, 1
    config.data.retrieval = str(run / "no_retrieval")
    config.evaluation.domain, config.evaluation.general = (
        {"law": str(made[0] / "law")},
        {"prose": str(made[0] / "prose")},
    )
    return config


@pytest.fixture(scope="module")
def theirs(made) -> dict[str, dict[int, float]]:
    """Perplexity per token by transformers."""
    found: dict[str, dict[int, float]] = {}
    for checkpoint in list_checkpoints(made[0] / "runs" / "cpt" / "seed_0"):
        for name, texts in made[1].items():
            rows = np.array(runs.their_likelihoods(checkpoint.folder / "hf", texts, runs.CONTEXT))
            found.setdefault(name, {})[checkpoint.step] = float(np.exp(rows[:, 0].sum() / rows[:, 1].sum()))
    return found


def stamps(run: Path) -> dict[str, int]:
    return {str(file.relative_to(run)): file.stat().st_mtime_ns for file in sorted((run / "eval").rglob("*.json"))}


def test_perplexity_at_every_save_chooses_the_lowest(config, run, theirs, capsys):
    found = sweep(config)
    assert {
        one.step: pytest.approx(one.value("law", "token"), rel=1e-4) for one in found.measures["perplexity"].results
    } == theirs["law"]
    assert (
        found.metric == "perplexity/law"
        and "so the best checkpoint is chosen by sweep.metric=perplexity/law" in flat(capsys)
    )
    assert found.best.step == min(theirs["law"], key=theirs["law"].get) == linked(run, "best")
    assert (
        [result.step for result in found.checkpoints] == list(STEPS)
        and found.checkpoints[2].phase == "law"
        and found.checkpoints[1].phase is None
    )
    config.sweep.metric = "perplexity/prose"
    assert sweep(config).best.step == min(theirs["prose"], key=theirs["prose"].get) == linked(run, "best")
    events = EventAccumulator(str(run / "tb" / "probe")).Reload()
    for name in ("law", "prose"):
        seen = {event.step: event.value for event in events.Scalars(f"perplexity/{name}/token")}
        assert seen == {step: pytest.approx(value, rel=1e-4) for step, value in theirs[name].items()}
    assert {f"perplexity/law/{unit}" for unit in ("token", "character")} | {"bits_per_byte/law"} <= set(
        events.Tags()["scalars"]
    )
    row = EventAccumulator(str(run / "tb" / "hparams")).Reload()
    assert row.Scalars("perplexity/prose/token")[0].value == pytest.approx(min(theirs["prose"].values()), rel=1e-4)
    assert set(row.Tags()["scalars"]) <= {*events.Tags()["scalars"], "validation/loss"}
    told = {one.name: one.value for one in statements([found])}
    assert {name for name in told if name.startswith("Change of")} == {
        f"Change of {role} perplexity per character at the best checkpoint" for role in ("domain", "general")
    }


def flat(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_only_what_is_missing_or_stale_is_measured(config, run, made, tmp_path, capsys):
    first = sweep(config)
    before = stamps(run)
    assert set(before) == {f"eval/{folder}step_{step:07d}.json" for folder in ("", "perplexity/") for step in STEPS}
    assert sweep(config).measures["perplexity"].results == first.measures["perplexity"].results
    assert stamps(run) == before
    result_file(run, "perplexity", 0).unlink()
    result_file(run, "perplexity", 10).with_suffix(".npz").write_bytes(b"PK")
    sweep(config)
    assert {name for name, stamp in stamps(run).items() if before[name] != stamp} == {
        f"eval/perplexity/step_{s:07d}.json" for s in (0, 10)
    }
    for change in ("settings", "texts", "weights"):
        before, redone = stamps(run), set(STEPS)
        if change == "settings":
            config.evaluation.context = 16
        elif change == "texts":
            folder = Path(shutil.copytree(made[0] / "law", tmp_path / "law"))
            (folder / "more.txt").write_text("mahkeme karar verdi")
            config.evaluation.domain["law"] = str(folder)
        else:
            runs.make_run(run, made[0] / "tokenizer", {10: 9})
            redone = {10}
        capsys.readouterr()
        sweep(config)
        changed = {name for name, stamp in stamps(run).items() if before[name] != stamp}
        assert changed - {"eval/step_0000010.json"} == {f"eval/perplexity/step_{step:07d}.json" for step in redone}
        noun = {"settings": "other settings", "texts": "other texts, tasks or tokenizer", "weights": "other weights"}[
            change
        ]
        assert f"perplexity of step 10 again: its result was made with {noun}" in flat(capsys)


def test_array_tasks_leave_the_choice_to_others_and_a_checkpoint_is_done_when_all_is_measured(config, run, monkeypatch):
    config.sweep.step = 10
    seen = []
    monkeypatch.setattr(
        "model.evaluation.pending.write_record",
        lambda run, checkpoint: seen.append(result_file(run, "perplexity", checkpoint.step).is_file()),
    )
    probe_runs(config)
    assert seen == [True] and not record_file(run, 10).exists() and linked(run, "best") is None, "the record comes last"
    monkeypatch.undo()
    probe_runs(config)
    assert record_file(run, 10).is_file() and list((run / "eval" / "claims").iterdir()) == []
    config.train.checkpoint.keep_probes, config.train.checkpoint.keep_last, config.sweep.step = 1, 0, None
    assert [checkpoint.step for checkpoint in apply_retention(run, config.train.checkpoint, 20)] == [], (
        "the last one that is measured, and those that wait"
    )
    config.sweep.array_task, config.sweep.array_size = 0, 1
    probe_runs(config)
    assert [checkpoint.step for checkpoint in apply_retention(run, config.train.checkpoint, 20)] == [0, 10]
    config.sweep.array_task = None
    assert [one.step for one in sweep(config).measures["perplexity"].results] == list(STEPS), (
        "results outlive their checkpoints"
    )


def test_a_result_whose_claim_was_lost_is_thrown_away(config, run, monkeypatch, capsys):
    monkeypatch.setattr(Claim, "held", lambda claim: False)
    config.sweep.step = 0
    probe_runs(config)
    assert "has taken it over; this result is thrown away" in flat(capsys)
    assert not result_file(run, "perplexity", 0).exists() and claim_file(run, 0).parent.is_dir()


def test_draws_and_runs_without_a_frozen_length(config, run):
    config.evaluation.max_documents = 5
    (run / "config.yaml").unlink()
    config.train.seq_length = 32
    sweep(config)
    document = json.loads(result_file(run, "perplexity", 0).read_text())
    assert document["context"] == 32 and document["texts"]["law"]["documents"] <= 5
    assert {name: text["role"] for name, text in document["texts"].items()} == {"law": "domain", "prose": "general"}


def test_retrieval_beside_perplexity(config, made, tmp_path, retrieval_folder):
    """Where a retrieval set exists a decoder is probed on it too, last, and the default metric stands."""
    run, shape = tmp_path / "both", replace(runs.SHAPE, max_positions=128)
    runs.make_run(run, made[0] / "tokenizer", {0: 1, 10: 2}, shape)
    config.sweep.run, config.data.retrieval = str(run), str(retrieval_folder)
    config.probe = ProbeConfig(readout="last", steps=5, batch=64, pairs=100)
    found = sweep(config)
    assert found.metric == "dev/ndcg@10" and list(found.measures) == ["perplexity", "retrieval"]
    assert all([result.step for result in measure.results] == [0, 10] for measure in found.measures.values())
    assert found.best.step == max(
        (0, 10), key=lambda step: found.measures["retrieval"].results[step // 10].mean("dev", "ndcg@10")
    )
    text = write_report(found).read_text()
    assert (
        text.count("<svg") == 4
        and "Perplexity and retrieval over the checkpoints" in text
        and "MLM" not in text
        and "nDCG@10" in text
    )
    assert "Retrieval</h2>" in text and full_verdict(found).startswith("Best checkpoint by dev/ndcg@10: step")
    before = stamps(run)
    config.data.retrieval = str(tmp_path / "gone")
    assert sweep(config).metric == "perplexity/law" and stamps(run) == before, "the record stands"
    retrieval = stamps(run)
    config.data.retrieval, config.evaluation.domain, config.evaluation.general = str(retrieval_folder), {}, {}
    assert sweep(config).measures["retrieval"].results == found.measures["retrieval"].results
    assert stamps(run) == retrieval


def test_several_runs(config, run, made):
    shutil.copytree(run, run.with_name("seed_1"), symlinks=True)
    config.sweep.runs = [str(run.parent / "seed_*")]
    found = sweep_runs(config)
    summaries = [one.summary("perplexity") for one in found]
    assert [len(one.forgetting) for one in summaries] == [3, 3] and summaries[0].forgetting[2].phase == "law"
    assert any("of 2 runs" in one.sentence for one in statements(found))


def test_results_that_do_not_compare_are_said(config, run):
    shutil.copytree(run, run.with_name("seed_1"), symlinks=True)
    frozen = run.with_name("seed_1") / "config.yaml"
    known = yaml.safe_load(frozen.read_text())
    config.sweep.runs = [str(run.parent / "seed_*")]

    def told() -> dict[str, str]:
        found = sweep_runs(config)
        return {one.name: one.value for one in statements(found) if one.name.startswith("Different")}

    assert told() == {}
    known["train"]["seq_length"] = 2 * runs.CONTEXT
    frozen.write_text(yaml.safe_dump(known))
    assert told() == {"Different context": f"{runs.CONTEXT} and {2 * runs.CONTEXT}"}
    config.evaluation.context = runs.CONTEXT
    assert told() == {}
    file = result_file(run, "perplexity", 10)
    assert read_json(file)["precision"] == "fp32"
    write_json(file, read_json(file) | {"precision": "bf16"})  # as from a GPU
    assert told() == {"Different precision": "bf16 and fp32"}


def test_what_cannot_be_measured_is_refused(config, run, run_folder, made):
    def refused(told: str) -> None:
        with pytest.raises(UserError, match=told):
            sweep(config)

    config.sweep.metric = "perplexity/laws"
    refused("sweep.metric=perplexity/laws is unknown; it takes perplexity/ and one of law, prose; did you mean 'law'")
    config.sweep.metric = "task/quiz/acc"
    refused("sweep.metric=task/quiz/acc cannot be measured; evaluation.tasks is empty")
    config.sweep.metric, config.evaluation.general["law"] = "dev/ndcg@10", "elsewhere"
    refused("evaluation.domain and evaluation.general both have law")
    config.evaluation.general = {"prose": "nowhere"}
    refused("evaluation.general.prose: nowhere does not exist")
    config.evaluation.general, config.evaluation.context = {}, 1
    refused("evaluation.context=1 leaves nothing to predict")
    config.evaluation.domain = {}
    refused("there is nothing to measure: .*data.retrieval=.* does not exist")
    config.evaluation.domain, config.sweep.run = {"law": str(made[0] / "law")}, str(run_folder)
    refused("evaluation.domain is measured of decoders, and this net is an encoder")
    with pytest.raises(UserError, match="evaluation.domain is measured of decoders"):
        wanted_ahead(config)
    config.model = runs.SHAPE
    assert [measure.name for measure in wanted_ahead(config)] == ["perplexity"]
