"""TensorBoard, as a person starts it, over a run that was killed and continued: one clean curve of the loss and one of
nDCG@10."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from jobs import prepare, sweep, tokenizer, train
from jobs.launch.compose import compose, to_config
from tests.processes import Process

STEPS, KILL = 120, 46
LOSS, NDCG = "train/loss", "retrieval/ndcg@10/test/cat"
SETTINGS = [
    "model.num_layers=2", "model.hidden_size=32", "model.num_heads=2", "model.ffn_size=48", "model.vocab_size=320",
    "model.max_positions=64", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=4",
    f"train.steps={STEPS}",
    "train.validation_fraction=0.05", "train.checkpoint.probe_at_start=true", "train.checkpoint.probe_every_steps=40",
    "parallel.threads=1",
    "train.checkpoint.resume_every_minutes=0", "optim.schedule.warmup_steps=5", "optim.schedule.decay_steps=10",
    "probe.steps=5",
    "probe.pairs=100", "probe.batch=32", "probe.train_document_tokens=32", "probe.document_tokens=32",
    "sweep.bm25=false",
]  # fmt: skip


@pytest.fixture(scope="module")
def run_of_two_attempts(tmp_path_factory, retrieval_folder) -> Path:
    """A run that was killed some steps after a checkpoint, continued from that checkpoint, and probed."""
    folder = tmp_path_factory.mktemp("tensorboard")
    rng = np.random.default_rng(0)
    words = [f"{side}{number}" for side in "qd" for number in range(60)]
    with (folder / "text.jsonl").open("w") as file:
        file.writelines(json.dumps({"text": " ".join(rng.choice(words, size=40))}) + "\n" for _ in range(150))
    data = [
        f"data.inputs=['{folder}/text.jsonl']",
        f"data.tokenizer={folder}/tokenizer",
        f"data.tokens={folder}/tokens",
    ]
    overrides = ["name=t", f"runs_dir={folder}/runs", *data, f"data.retrieval={retrieval_folder}", *SETTINGS]
    tokenizer.run(to_config(compose("tokenizer", [*data, "tokenizer.vocab_size=300"])))
    prepare.run(to_config(compose("prepare", data)))
    run = folder / "runs" / "t" / "seed_0"
    kill_at(overrides, run / "metrics.jsonl")
    train.run(to_config(compose("train", overrides)))
    sweep.run(to_config(compose("sweep", overrides)))
    return run


def kill_at(overrides: list[str], metrics: Path) -> None:
    """Start the training, and kill it once ``metrics`` tells of step `KILL`."""
    process = Process(["-m", "jobs.train", *overrides])
    while process.poll() is None and not (metrics.is_file() and f'"step": {KILL},' in metrics.read_text()):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.communicate()[1]


@pytest.fixture(params=["auto", "false"], ids=["fast loader", "slow loader"])
def ask(request, run_of_two_attempts) -> Iterator[Callable[..., Any]]:
    """``ask(path, **query)`` of a TensorBoard over the folder of all runs, with each of its two readers of event
    files."""
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(run_of_two_attempts.parents[1]),
        "--host",
        "127.0.0.1",
        "--port",
        "0",
    ]
    process = subprocess.Popen(
        [*command, "--load_fast", request.param],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    told = ""
    while not (found := re.search(r"at (http://127\.0\.0\.1:\d+/)", told)):
        line = process.stderr.readline()
        assert line, told
        told += line
    opener = build_opener(ProxyHandler({}))
    yield lambda path, **query: json.load(opener.open(f"{found[1]}{path}?{urlencode(query)}", timeout=60))
    process.terminate()
    process.wait()
    process.stderr.close()


def curves(ask: Callable[..., Any], tag: str) -> dict[str, list[tuple[int, float]]]:
    """Run -> (step, value) of every run that has ``tag``."""
    runs = [name for name, tags in ask("data/plugin/scalars/tags").items() if tag in tags]
    return {
        name: [(step, value) for _, step, value in ask("data/plugin/scalars/scalars", run=name, tag=tag)]
        for name in runs
    }


def loaded(ask: Callable[..., Any], tag: str, last: int) -> dict[str, list[tuple[int, float]]]:
    """`curves` once TensorBoard, which reads on its own time, has come to step ``last``."""
    end = time.monotonic() + 120
    while True:
        found = curves(ask, tag)
        if any(points and points[-1][0] >= last for points in found.values()):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.2)


def test_steps_were_done_twice(run_of_two_attempts):
    """Otherwise the next test would say nothing: the events of both attempts lie on disk, with steps in common."""
    files = sorted((run_of_two_attempts / "tb" / "train").iterdir())
    steps = [
        {
            event.step
            for event in EventFileLoader(str(file)).Load()
            for value in event.summary.value
            if value.tag == LOSS
        }
        for file in files
    ]
    assert len(files) == 2 and {41, 42, 43} <= steps[0] & steps[1]


def test_one_clean_curve_of_loss_and_of_ndcg(ask, run_of_two_attempts):
    run = run_of_two_attempts
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    results = [json.loads(file.read_text()) for file in sorted((run / "eval" / "retrieval").glob("step_*.json"))]
    probed = [(result["step"], result["metrics"]["cat"]["test"]["ndcg@10"]) for result in results]
    assert [step for step, _ in logged] == list(range(1, STEPS + 1)) and [step for step, _ in probed] == [
        0,
        40,
        80,
        STEPS,
    ]
    for tag, part, wanted in ((LOSS, "train", logged), (NDCG, "probe", probed)):
        found = loaded(ask, tag, STEPS)
        assert list(found) == [f"t/seed_0/tb/{part}"]
        points = found[f"t/seed_0/tb/{part}"]
        assert [step for step, _ in points] == [step for step, _ in wanted], f"{tag}: each step once, ascending"
        assert [value for _, value in points] == pytest.approx([value for _, value in wanted], rel=1e-6)
    assert set(ask("data/runs")) == {f"t/seed_0/tb/{part}" for part in ("train", "probe", "hparams")}


def test_the_hparams_tab_has_its_scores_and_the_other_tabs_no_plot_more(ask):
    """What the row of the HParams tab needs as scalars lies on curves that are there without it."""
    loaded(ask, NDCG, STEPS)
    tags = {run.rpartition("/")[2]: set(own) for run, own in ask("data/plugin/scalars/tags").items()}
    assert (
        tags["hparams"] == {"validation/loss", "retrieval/ndcg@10/dev/cat"}
        and tags["hparams"] <= tags["train"] | tags["probe"]
    )
    marked = {}
    for tag in tags["hparams"]:
        found = curves(ask, tag)
        marked[tag] = found.pop("t/seed_0/tb/hparams")
        assert len(marked[tag]) == 1 and marked[tag][0] in next(iter(found.values())), tag
    wanted = {"startIndex": 0, "sliceSize": 9, "colParams": [], "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS"]}
    (row,) = ask("data/plugin/hparams/session_groups", request=json.dumps(wanted))["sessionGroups"]
    assert {one["name"]["tag"]: one["value"] for one in row["metricValues"]} == {
        tag: points[0][1] for tag, points in marked.items()
    }
    assert row["hparams"]["optim.lr"] and row["hparams"]["model.num_layers"] == 2
