"""Sweeps over the checkpoints of a run: the right best checkpoint, nothing done twice, everything redone that must
be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common import manifest as manifests
from common.errors import UserError
from common.files import named_digest
from conf.schema import Config
from model.evaluation.interface.store import record_file, result_file
from model.evaluation.measures.retrieval.result import Findings, ProbeScores
from model.evaluation.pending import probe_checkpoints
from model.evaluation.sweep import sweep
from model.training.checkpoints.checkpoints import linked, set_link


def written(run: Path) -> dict[str, int]:
    """When each result was written."""
    files = [*(run / "eval" / "retrieval").iterdir(), run / "eval" / "bm25.json"]
    return {path.name: path.stat().st_mtime_ns for path in sorted(files)}


def probed(config: Config) -> Findings:
    """What a sweep finds of retrieval."""
    swept = sweep(config)
    return swept.measures["retrieval"].findings(swept)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_best_checkpoint_is_found_and_marked(sweep_config, run_folder):
    found = probed(sweep_config)
    assert [result.step for result in found.results] == [0, 10, 20, 30]
    assert found.best.step == 20 == linked(run_folder, "best") and linked(run_folder, "last") == 40
    assert found.best.mean("test", "ndcg@10") > 0.9
    step, readout = found.untrained[0].step, found.untrained[1]
    assert step == 0 and found.untrained[0].mean("test", "ndcg@10", readout) == max(
        splits["test"]["ndcg@10"] for splits in found.results[0].metrics.values()
    )
    assert found.differences[20].low > 0.5 and found.differences[0].high <= 0.1
    assert set(found.bm25) == {"full text", "96 tokens"} and found.bm25["full text"]["ndcg@10"] < 0.01

    document = json.loads(result_file(run_folder, "retrieval", 20).read_text())
    assert {key: document[key] for key in ("kind", "step", "tokens", "loss", "validation_loss", "readout")} == {
        "kind": "retrieval", "step": 20, "tokens": 20_000, "loss": 4.8, "validation_loss": 5.0, "readout": "cat",
    }  # fmt: skip
    assert document["queries"] == {"dev": 60, "test": 150} and document["pairs"] == 250
    for split in ("dev", "test"):
        for name in ("cat", "last", "emb"):
            assert np.isclose(found.best.per_query(split, name).mean(), document["metrics"][name][split]["ndcg@10"])


def test_scalars_at_training_steps_once_after_every_rerun(sweep_config, run_folder):
    sweep(sweep_config)
    sweep(sweep_config)
    sweep_config.sweep.force = True
    found = probed(sweep_config)
    seen = scalars(run_folder / "tb" / "probe")
    names, splits, readouts = ("ndcg@10", "mrr@10", "map@100", "recall@10"), ("dev", "test"), ("cat", "last", "emb")
    assert set(seen) == {
        f"retrieval/{name}/{split}/{readout}" for name in names for split in splits for readout in readouts
    }
    for tag, points in seen.items():
        _, metric, split, readout = tag.split("/")
        assert [step for step, _ in points] == [0, 10, 20, 30]
        wanted = [result.mean(split, metric, readout) for result in found.results]
        np.testing.assert_allclose([value for _, value in points], wanted, rtol=1e-6)
    assert len(list((run_folder / "tb" / "probe").iterdir())) == 1
    row = scalars(run_folder / "tb" / "hparams")
    best = (found.best.step, pytest.approx(found.best.mean("dev", "ndcg@10")))
    assert row == {"retrieval/ndcg@10/dev/cat": [best], "validation/loss": [(30, pytest.approx(4.9))]}
    assert best in seen["retrieval/ndcg@10/dev/cat"]


def test_a_second_sweep_probes_nothing(sweep_config, run_folder):
    first = probed(sweep_config)
    before = written(run_folder)
    set_link(run_folder, "best", 0)
    assert probed(sweep_config).results == first.results
    assert written(run_folder) == before and linked(run_folder, "best") == 20


def test_only_what_is_missing_or_broken_is_probed(sweep_config, run_folder):
    sweep(sweep_config)
    before = written(run_folder)
    values = {step: ProbeScores.read(result_file(run_folder, "retrieval", step)).metrics for step in (0, 10, 20, 30)}
    result_file(run_folder, "retrieval", 0).unlink()
    result_file(run_folder, "retrieval", 10).with_suffix(".npz").write_bytes(b"PK")
    result_file(run_folder, "retrieval", 20).write_text("{")
    sweep(sweep_config)
    after = written(run_folder)
    assert {name for name in after if before.get(name) == after[name]} == {
        "step_0000030.json",
        "step_0000030.npz",
        "bm25.json",
    }
    assert {
        step: ProbeScores.read(result_file(run_folder, "retrieval", step)).metrics for step in (0, 10, 20, 30)
    } == values


@pytest.mark.parametrize("change", ["settings", "retrieval", "weights", "force"])
def test_results_made_otherwise_are_made_again(
    sweep_config, run_folder, retrieval_folder, tmp_path, encoders, make_checkpoint, capsys, change
):
    sweep(sweep_config)
    before, redone = written(run_folder), {0, 10, 20, 30}
    if change == "settings":
        sweep_config.probe.temperature = 0.1
    elif change == "retrieval":
        sweep_config.data.retrieval = str(shutil.copytree(retrieval_folder, tmp_path / "other"))
        with (tmp_path / "other" / "dev" / "qrels.tsv").open("a") as file:
            file.write("q-0\td-1\t1\n")
    elif change == "weights":
        make_checkpoint(run_folder, 10, encoders.planted(7))
        redone = {10}
    else:
        sweep_config.sweep.force = True
    found = probed(sweep_config)
    after = written(run_folder)
    assert {
        step for step in (0, 10, 20, 30) if after[f"step_{step:07d}.json"] != before[f"step_{step:07d}.json"]
    } == redone
    assert found.best.step == (10 if change == "weights" else 20)
    made = "its result was made with "
    reason = {
        "settings": f"{made}other probe settings",
        "retrieval": f"{made}another retrieval set",
        "weights": f"{made}other weights",
    }
    assert f"probe step 10 again: {reason.get(change, 'sweep.force is set')}" in capsys.readouterr().err


def test_ties_go_to_the_earliest_and_metric_may_change(sweep_config, run_folder, encoders, make_checkpoint):
    for step in (5, 25):
        make_checkpoint(run_folder, step, encoders.planted(3))  # equal to step 20
    assert sweep(sweep_config).best.step == 5
    sweep_config.sweep.metric = "test/recall@10"
    assert sweep(sweep_config).best.step == 5


def test_results_outlive_their_checkpoints(sweep_config, run_folder):
    """Retention may remove probed checkpoints; they stay in the curves, but cannot be the best one."""
    sweep(sweep_config)
    shutil.rmtree(run_folder / "checkpoints" / "step_0000020")
    found = probed(sweep_config)
    assert [result.step for result in found.results] == [0, 10, 20, 30] and found.best.step != 20
    sweep_config.probe.steps = 19
    assert [result.step for result in probed(sweep_config).results] == [0, 10, 30]


def test_without_step_0_and_without_baselines(sweep_config, run_folder):
    shutil.rmtree(run_folder / "checkpoints" / "step_0000000")
    sweep_config.sweep.bm25 = False
    found = probed(sweep_config)
    assert found.untrained is None and found.differences == {} and found.bm25 == {} and found.best.step == 20


def test_bad_input_is_named(sweep_config, run_folder, tmp_path, encoders, make_checkpoint):
    def refused(match: str) -> None:
        with pytest.raises(UserError, match=match):
            sweep(sweep_config)

    sweep_config.sweep.metric = "dev/ndcg"
    refused(r"sweep.metric=dev/ndcg is unknown; .* did you mean 'dev/ndcg@10'")
    sweep_config.sweep.metric, sweep_config.probe.beside = "dev/ndcg@10", ["embb"]
    refused(r"the readout embb is unknown")
    sweep_config.probe.beside, retrieval = [], sweep_config.data.retrieval
    sweep_config.data.retrieval = str(tmp_path / "nothing")
    refused(r"the retrieval set .*nothing does not exist; set data.retrieval")
    sweep_config.data.retrieval, run = retrieval, sweep_config.sweep.run
    sweep_config.sweep.run = str(tmp_path / "no_run")
    refused(r"the run folder .*no_run does not exist; train it with jobs.train")
    (tmp_path / "no_run").mkdir()
    refused(r"no_run is no run folder \(no config.yaml\); set sweep.run")
    (tmp_path / "no_run" / "config.yaml").touch()
    refused(r"no_run has no probe checkpoints; train with train.checkpoint")
    sweep_config.sweep.run = run
    make_checkpoint(
        run_folder, 30, encoders.random(1, encoders.shape.__class__(**{**vars(encoders.shape), "num_layers": 3}))
    )
    refused(r"step_0000030/hf has another shape: its num_layers is 3, that of .*config.yaml 2")
    assert record_file(run_folder, 20).exists(), "what was probed before the broken checkpoint stays"
    weights = run_folder / "checkpoints" / "step_0000030" / "hf" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\1\0")
    refused(r"the checkpoint .*step_0000030 is damaged \(hf/model.safetensors is not what was written\)")
    manifest = run_folder / "checkpoints" / "step_0000030" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"hf/tokenizer.json": "', '"hf/tokenizer.json": "0'))
    refused(r"the checkpoint of step 0 in .* has another tokenizer than that of step 30")


def test_checkpoints_whose_tokenizer_is_written_otherwise_are_swept_and_those_of_another_refused(run_folder):
    """The bytes of tokenizer.json, and the digests in the manifest, are those of another file; what the tokenizer is
    decides."""
    folder = run_folder / "checkpoints" / "step_0000010"
    form = json.loads((folder / "hf" / "tokenizer.json").read_text())

    def write(form):
        (folder / "hf" / "tokenizer.json").write_text(json.dumps(form))
        known = manifests.read(folder)
        known["files"]["hf/tokenizer.json"] = named_digest(folder / "hf" / "tokenizer.json")
        manifests.write(folder, known)

    write(dict(reversed(list(form.items()))))
    assert len(probe_checkpoints(run_folder)) == 4
    one, other = [token for token in form["model"]["vocab"] if token[0] == "q"][:2]
    vocab = form["model"]["vocab"]
    vocab[one], vocab[other] = vocab[other], vocab[one]
    write(form)
    with pytest.raises(
        UserError,
        match=r"the checkpoint of step 10 in .* has another tokenizer than that of step 30: the vocabulary: 'q",
    ):
        probe_checkpoints(run_folder)
