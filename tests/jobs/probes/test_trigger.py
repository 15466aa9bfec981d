"""Probes that a training starts by itself, without SLURM; with it: tests/slurm/test_probes.py."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from common.errors import UserError
from conf.schema import Config, DecoderConfig
from jobs import train
from jobs.launch.compose import compose, to_config
from jobs.probes.records import note_failures
from jobs.probes.trigger import probe_cluster
from jobs.registry import JOBS
from jobs.sweep import run
from jobs.validate.probes import check_probe_files, check_probes
from jobs.validate.training import nothing_coming
from model.evaluation import pending
from model.evaluation.interface.store import claim_file, failure_file, record_file
from model.evaluation.measures.retrieval import probe
from model.training.checkpoints.checkpoints import linked
from slurm import outbox
from slurm.submission import Array, Point
from slurm.submit import prepare

ROOT = Path(__file__).resolve().parents[3]
HOLDER = (
    "import sys, time; from common.claim import Claim; claim = Claim(sys.argv[1]); print(claim.take(), flush=True);"
    " time.sleep(600)"
)
COURSE = [
    "parallel.threads=1", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2", "train.steps=6",
    "train.eval_packs=0",
    "train.checkpoint.probe_every_steps=3", "probe.document_tokens=60", "probe.train_document_tokens=60",
    "probe.steps=5", "probe.pairs=100",
    "probe.batch=32", "sweep.bootstrap=0",
]  # fmt: skip


@pytest.mark.long
def test_on_this_machine_when_the_training_has_finished(trainable, retrieval_folder, tmp_path, capfd):
    overrides = [
        *trainable,
        *COURSE,
        f"runs_dir={tmp_path}",
        f"data.retrieval={retrieval_folder}",
        "sweep.trigger=on_save",
        "name=t",
    ]
    config = to_config(compose("train", overrides))
    assert train.run(config)["status"] == "finished"
    folder = tmp_path / "t" / "seed_0"
    results = {step: record_file(folder, step).stat().st_mtime_ns for step in (0, 3, 6)}
    assert linked(folder, "best") in results and (folder / "report.html").is_file()
    assert "Best checkpoint: step" in capfd.readouterr().out
    # The same command again does what is left of the probes, and where nothing is left nothing.
    record_file(folder, 3).unlink()
    train.run(config)
    train.run(config)
    out = capfd.readouterr().out
    assert out.count("Best checkpoint: step") == 1 and record_file(folder, 3).is_file()
    assert record_file(folder, 6).stat().st_mtime_ns == results[6]


def refuse_probing(config: Config) -> None:
    """What a training checks of the probes that it is to start."""
    check_probes(config)
    check_probe_files(config, nothing_coming)


def test_what_could_only_fail_is_refused_before_the_first_step(retrieval_folder, tmp_path):
    config = Config()
    refuse_probing(config)
    config.sweep.trigger, config.data.retrieval = "after", "nowhere"
    with pytest.raises(
        UserError, match="data.retrieval=nowhere does not exist; make it first, .* with sweep.trigger=manual"
    ):
        refuse_probing(config)
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "x"}\n')
    config.data.retrieval = str(tmp_path)
    with pytest.raises(UserError, match=r"queries.jsonl does not exist; a retrieval set is corpus.jsonl"):
        refuse_probing(config)
    config.data.retrieval, config.probe.document_tokens = str(retrieval_folder), config.model.max_positions + 1
    with pytest.raises(UserError, match=r"probe.document_tokens=\d+ exceeds model.max_positions"):
        refuse_probing(config)


def test_a_decoder_needs_text_or_tasks_where_there_is_no_retrieval_set(tmp_path):
    config = Config(model=DecoderConfig())
    config.sweep.trigger, config.data.retrieval = "on_save", "nowhere"
    with pytest.raises(UserError, match="there is nothing to measure: .*data.retrieval=nowhere does not exist"):
        refuse_probing(config)
    config.evaluation.domain["law"] = str(tmp_path / "law.txt")
    with pytest.raises(UserError, match="evaluation.domain.law: .*law.txt does not exist"):
        refuse_probing(config)
    assert "data.retrieval" not in JOBS["sweep"].needs(config) and JOBS["sweep"].needs(config)[
        "evaluation.domain.law"
    ].endswith("law.txt")
    (tmp_path / "law.txt").write_text("law")
    refuse_probing(config)
    config.sweep.metric = "perplexity/lav"
    with pytest.raises(UserError, match="did you mean 'law'"):
        refuse_probing(config)


def test_an_array_task_leaves_a_claimed_save_and_a_sweep_waits(sweep_config, run_folder, capsys, monkeypatch):
    """Until the process that holds it is killed."""
    monkeypatch.setattr(pending, "PATIENCE", 0.1)
    monkeypatch.setenv("COLUMNS", "300")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, claim_file(run_folder, 20)], cwd=ROOT, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        holder = f"step 20 is being probed by process {other.pid} on "
        sweep_config.sweep.step = 20
        run(sweep_config)
        assert (
            not record_file(run_folder, 20).exists()
            and "left to it" in (said := capsys.readouterr().err)
            and holder in said
        )
        sweep_config.sweep.step = None
        killer = threading.Timer(4, other.kill)
        killer.start()
        run(sweep_config)
        killer.join()
    said = capsys.readouterr().err
    assert said.count(holder) == 1 and "waiting for it" in said
    assert all(record_file(run_folder, step).is_file() for step in (0, 10, 20, 30))
    assert list((run_folder / "eval" / "claims").iterdir()) == []


def test_a_result_whose_claim_was_lost_is_thrown_away(sweep_config, run_folder, capsys, monkeypatch):
    """Another process took the checkpoint over, as one does whose controller gave this node up for dead."""
    probe_budgets, file = probe.probe_budgets, claim_file(run_folder, 20)

    def overtaken(*arguments):
        outbox.write_json(file, json.loads(file.read_text()) | {"token": "another's", "host": "elsewhere"})
        return probe_budgets(*arguments)

    monkeypatch.setattr(probe, "probe_budgets", overtaken)
    sweep_config.sweep.step = 20
    run(sweep_config)
    assert "has taken it over; this result is thrown away" in capsys.readouterr().err.replace("\n", " ")
    assert not record_file(run_folder, 20).exists() and file.is_file()


def test_a_probe_asks_for_one_process():
    config = Config()
    config.cluster.nodes, config.cluster.gpus_per_node, config.cluster.time, config.cluster.partition = (
        4,
        4,
        "1-0",
        "large",
    )
    config.cluster.tasks_per_node, config.cluster.account, config.cluster.preflight = 4, "mine", True
    config.sweep.cluster.time = "00:20:00"
    probe = probe_cluster(config)
    assert (probe.nodes, probe.tasks_per_node, probe.gpus_per_node, probe.preflight) == (1, 1, 1, False)
    assert (probe.time, probe.partition, probe.account) == ("00:20:00", "large", "mine")
    config.sweep.cluster.gpus_per_node = 0
    assert probe_cluster(config).gpus_per_node == 0


def test_a_probe_that_failed_is_a_missing_point_with_its_reason(sweep_config, run_folder, capsys, tmp_path):
    """What a sweep that a training submitted makes of an array task that gave up; then a person mends the cause."""
    sweep_config.runs_dir, sweep_config.sweep.step = str(tmp_path / "runs"), 10
    outbox.put(
        run_folder, "step_0000010", "sweep", Point(sweep_config, str(run_folder / "checkpoints" / "step_0000010"))
    )
    order = json.loads((run_folder / "outbox" / "step_0000010.json").read_text())
    (submission,) = prepare("sweep", [Point(sweep_config, order["home"])]).submissions
    submission.queued([Array("17", 0, 1)])
    attempt = {"number": 1, "job_id": "17", "cause": "out of memory: raise it"}
    outbox.write_json(submission.array_task_file(0), {"state": "failed", "attempts": [attempt]})
    record = run_folder / "outbox" / "submitted" / "step_0000010.json"
    outbox.write_json(record, order | {"submission": str(submission.folder), "array_task": 0, "jobs": ["17_0"]})

    sweep_config.sweep.step, sweep_config.sweep.retry_failed = None, False
    run(sweep_config)
    out, report = capsys.readouterr().out, (run_folder / "report.html").read_text()
    assert not record_file(run_folder, 10).exists() and record_file(run_folder, 20).is_file()
    assert failure_file(run_folder, 10).is_file() and not outbox.ordered(run_folder, "step_0000020")
    for text in (out, report):
        assert "The probe of step 10 failed: out of memory: raise it." in text
    assert "probe failed" in report and "failed" in next(line for line in out.splitlines() if line.startswith("10 "))

    sweep_config.sweep.retry_failed = True
    run(sweep_config)
    note_failures(run_folder)
    assert record_file(run_folder, 10).is_file() and not failure_file(run_folder, 10).exists()
    assert "failed" not in (run_folder / "report.html").read_text()
