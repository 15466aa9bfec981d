"""Tasks of lm-eval at checkpoints, against log-likelihoods by transformers; offline."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import UserError
from conf.schema import Config
from model.evaluation.choice import scores
from model.evaluation.interface.result import Scores
from model.evaluation.interface.store import result_file
from model.evaluation.measures.tasks import lm_eval as module
from model.evaluation.measures.tasks.lm_eval import Tasks
from model.evaluation.measures.tasks.measure import TaskMeasure, TaskScores
from model.evaluation.sweep import sweep
from model.training.checkpoints.checkpoints import linked, list_checkpoints
from tests.model.evaluation import decoder_runs as runs

TaskManager = pytest.importorskip("lm_eval.tasks").TaskManager
QUESTIONS = 40
DEFINITION = """task: law_quiz
dataset_path: json
dataset_kwargs:
  data_files:
    test: {file}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{answer}}}}"
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
metadata:
  version: 2.0
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run with two checkpoints, and a task whose three choices are drawn at random."""
    root = tmp_path_factory.mktemp("tasks")
    runs.make_run(root / "run", runs.write_tokenizer(root / "tokenizer"), {0: 1, 10: 2})
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(QUESTIONS):
        choices = [str(word) for word in rng.choice(runs.WORDS, 3, replace=False)]
        rows.append(
            {"question": " ".join(rng.choice(runs.WORDS, 4)), "choices": choices, "answer": int(rng.integers(3))}
        )
    folder = root / "definitions"
    folder.mkdir()
    (folder / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "law_quiz.yaml").write_text(DEFINITION.format(file=folder / "quiz.jsonl"))
    return root


@pytest.fixture
def config(made, tmp_path, monkeypatch) -> Config:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    config = Config(name="cpt")
    run = shutil.copytree(made / "run", tmp_path / "run", symlinks=True)
    config.sweep.run, config.sweep.bootstrap, config.parallel.threads, config.data.retrieval = (
        str(run),
        0,
        1,
        str(tmp_path / "none"),
    )
    config.evaluation.tasks, config.evaluation.task_folders = ["law_quiz"], [str(made / "definitions")]
    return config


def their_answers(hf_folder: Path, rows: list[dict]) -> list[float]:
    """1 where the right choice is the likeliest continuation of the question, by transformers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(hf_folder).eval(), AutoTokenizer.from_pretrained(hf_folder)
    found = []
    for row in rows:
        asked, logs = len(tokenizer(row["question"])["input_ids"]), []
        for choice in row["choices"]:
            ids = torch.tensor([tokenizer(f"{row['question']} {choice}")["input_ids"]])
            with torch.inference_mode():
                given = model(ids).logits[0].log_softmax(-1)
            logs.append(sum(given[place - 1, ids[0, place]].item() for place in range(asked, ids.shape[1])))
        found.append(float(np.argmax(logs) == row["answer"]))
    return found


def test_accuracy_is_that_of_transformers(config, made, capfd):
    config.sweep.metric = "task/law_quiz/acc"
    run, rows = (
        Path(config.sweep.run),
        [json.loads(line) for line in (made / "definitions" / "quiz.jsonl").read_text().splitlines()],
    )
    found = sweep(config)
    right = {checkpoint.step: their_answers(checkpoint.folder / "hf", rows) for checkpoint in list_checkpoints(run)}
    for one in found.measures["tasks"].results:
        score = one.scores["law_quiz"]["acc"]
        assert score.value == pytest.approx(np.mean(right[one.step])) and not score.lower
        assert score.stderr == pytest.approx(np.std(right[one.step], ddof=1) / QUESTIONS**0.5)
        assert one.versions == {"law_quiz": 2.0} and one.questions == {"law_quiz": QUESTIONS}
        with np.load(one.file.with_suffix(".npz")) as arrays:
            assert arrays["law_quiz/acc"].tolist() == right[one.step]
    assert np.mean(right[0]) != np.mean(right[10]), "so that the choice means something"
    assert found.best.step == max(right, key=lambda step: np.mean(right[step])) == linked(run, "best")
    assert "Running loglikelihood" not in capfd.readouterr().err
    before = {file: file.stat().st_mtime_ns for file in run.rglob("eval/tasks/*")}
    assert (
        sweep(config).measures["tasks"].results == found.measures["tasks"].results
        and {file: file.stat().st_mtime_ns for file in before} == before
    )
    config.evaluation.limit = 7
    assert sweep(config).measures["tasks"].results[0].questions == {"law_quiz": 7}
    definition = Path(shutil.copytree(made / "definitions", run / "definitions")) / "law_quiz.yaml"
    config.evaluation.tasks, config.evaluation.task_folders = [str(definition)], []
    config.sweep.metric = "dev/ndcg@10"
    assert sweep(config).metric == "task/law_quiz/acc"
    stale = result_file(run, "tasks", 0).stat().st_mtime_ns
    definition.write_text(definition.read_text().replace("2.0", "3.0"))
    assert (
        sweep(config).measures["tasks"].results[0].versions == {"law_quiz": 3.0}
        and result_file(run, "tasks", 0).stat().st_mtime_ns > stale
    )


def test_what_cannot_be_asked_is_refused(config, made, monkeypatch, tmp_path):
    # without the thousands of tasks that lm-eval brings, which take seconds to list
    monkeypatch.setattr(
        "lm_eval.tasks.TaskManager",
        lambda include_path, **_: TaskManager(include_path=include_path, include_defaults=False),
    )
    config.evaluation.tasks = ["law_quizz"]
    with pytest.raises(UserError, match=r"lm-eval 0.4.* has no task law_quizz; did you mean 'law_quiz'"):
        sweep(config)

    lacking = (
        DEFINITION.format(file="x")
        .replace("dataset_path: json", "dataset_path: terzi/absent")
        .replace("law_quiz", "far")
    )
    (tmp_path / "far.yaml").write_text(lacking)
    config.evaluation.tasks = [str(tmp_path / "far.yaml")]
    with pytest.raises(
        UserError,
        match=r"far.yaml needs the data set terzi/absent, .* run jobs.fetch 'fetch.datasets=\[terzi/absent\]'",
    ):
        sweep(config)
    config.evaluation.tasks = [str(tmp_path / "gone.yaml")]
    with pytest.raises(UserError, match=r"evaluation.tasks: .*gone.yaml does not exist"):
        sweep(config)
    config.evaluation.tasks, config.evaluation.task_folders = ["law_quiz"], [str(tmp_path / "nowhere")]
    with pytest.raises(UserError, match=r"evaluation.task_folders: .*nowhere does not exist"):
        sweep(config)

    def absent(name: str) -> str:
        raise module.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(module.importlib.metadata, "version", absent)
    with pytest.raises(UserError, match="evaluation.tasks needs lm-eval, which is not installed; pip install lm-eval"):
        Tasks(config.evaluation)
    law = tmp_path / "law.txt"
    law.write_text("mahkeme karar verdi")
    config.evaluation.tasks, config.evaluation.task_folders, config.evaluation.domain = [], [], {"law": str(law)}
    assert sweep(config).metric == "perplexity/law", "what asks for no task needs no lm-eval"


def test_direction_and_absence_of_a_metric(config):
    def result(step: int, value: float) -> TaskScores:
        score = {"value": value, "stderr": None, "lower": True}
        return TaskScores({"step": step, "scores": {"t": {"error": score}}}, Path("x"))

    measure = TaskMeasure(config, Path(config.sweep.run))
    measure.results = [result(0, 3.0), result(5, 1.0), result(9, 1.0)]
    found = scores(measure, "task/t/error")
    assert found == Scores({0: 3.0, 5: 1.0, 9: 1.0}, lower=True)
    assert found.best([0, 5, 9]) == 5 and found.best([0, 9]) == 9 and found.best([7]) is None
    with pytest.raises(UserError, match="sweep.metric=task/t/acc was not measured; it takes task/t/error"):
        scores(measure, "task/t/acc")
