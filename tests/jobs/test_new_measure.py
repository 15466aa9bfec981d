"""A measure that is registered in one line is swept, chosen by, plotted and shown like those of the suite."""

import json
import re
import shutil

import pytest
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common.errors import UserError
from jobs import sweep, train
from jobs.launch.compose import compose, to_config
from model.evaluation.registry import MEASURES, register
from model.training.checkpoints.checkpoints import linked, list_checkpoints
from tests.jobs.largest_weight import LargestWeight

COURSE = [
    "parallel.threads=1", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2", "train.steps=6",
    "train.eval_packs=0", "train.checkpoint.probe_every_steps=3", "probe.document_tokens=60", "probe.steps=5",
    "probe.train_document_tokens=60", "probe.pairs=100", "probe.batch=32", "sweep.bootstrap=50", "optim.lr=1e-2",
]  # fmt: skip


@pytest.fixture
def registered():
    register(LargestWeight)
    yield
    del MEASURES[LargestWeight.name]


def test_a_registered_measure_is_swept_chosen_by_plotted_and_shown(
    trainable, retrieval_folder, registered, tmp_path, capsys
):
    paths = [f"runs_dir={tmp_path}", "name=t", f"data.retrieval={retrieval_folder}"]
    train.run(to_config(compose("train", [*trainable, *COURSE, *paths])))
    run = tmp_path / "t" / "seed_0"
    shutil.copytree(run, run.with_name("seed_1"), symlinks=True)
    values = {
        checkpoint.step: max(
            float(abs(part).max()) for part in load_file(checkpoint.folder / "hf/model.safetensors").values()
        )
        for checkpoint in list_checkpoints(run)
        if (checkpoint.folder / "hf").is_dir()
    }
    best = min(values, key=values.__getitem__)
    config = to_config(compose("sweep", [*trainable, *COURSE, *paths, "sweep.metric=largest/weight"]))
    config.sweep.runs = [str(run.parent / "seed_*")]
    sweep.run(config)

    assert len(values) == 3 and linked(run, "best") == best, "chosen by"
    written = {step: json.loads((run / f"eval/largest/step_{step:07d}.json").read_text()) for step in values}
    assert {step: document["weight"] for step, document in written.items()} == values, "swept"
    events = EventAccumulator(str(run / "tb" / "probe")).Reload()
    points = {event.step: event.value for event in events.Scalars("largest/weight")}
    assert points == pytest.approx(values), "plotted"
    assert "largest/weight" in EventAccumulator(str(run / "tb" / "hparams")).Reload().Tags()["scalars"]
    printed = capsys.readouterr().out
    table = printed[printed.index("Largest; best checkpoint by") :]
    assert re.search(rf"^{best} +\S+ +{values[best]:.4g}", table, re.M), "in the table"
    verdict = f"Best checkpoint by largest/weight: step {best}; largest/weight {values[best]:.4g}."
    assert printed.count(verdict) == 2
    page = (run / "report.html").read_text()
    assert "<h2>Largest</h2>" in page and 'aria-label="Largest over the steps of the run"' in page, "in the report"
    assert f"<td>{values[best]:.4g}</td>" in page and "nDCG@10" in page
    together = (run.parent / "comparison" / "report.html").read_text()
    assert "Largest at the best checkpoints" in together and together.count(f"<td>{values[best]:.4g}</td>") == 2

    stamps = {file: file.stat().st_mtime_ns for file in (run / "eval").rglob("step_*")}
    sweep.run(config)
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps, "nothing is measured twice"
    config.sweep.metric = "largest/wait"
    with pytest.raises(UserError, match="largest/wait was not measured; it takes largest/weight; did you mean"):
        sweep.run(config)


def test_a_name_is_registered_once(registered):
    with pytest.raises(ValueError, match="there is a measure largest already"):
        register(LargestWeight)
