"""Tasks of lm-eval (the LM Evaluation Harness, EleutherAI) on the exported half of a checkpoint, without the
network."""

import contextlib
import importlib.metadata
import io
import logging
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import UserError, suggestion
from common.files import digest, digest_of
from conf.schema.evaluation import EvaluationConfig

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

RESAMPLES = 1000
"""Resamples of lm-eval's standard errors where a metric has no formula for one."""
SETTINGS = ("tasks", "shots", "limit", "seed", "task_dtype")
"""What a result depends on, of section `evaluation`."""
DEFINITIONS = (".yaml", ".yml", ".py", ".json", ".jsonl", ".csv", ".parquet", ".txt")


@dataclass
class TaskScore:
    """One metric of one task."""

    value: float
    stderr: float | None
    """Standard error over questions; None where lm-eval gives none."""
    lower: bool
    """Whether less is better."""


@dataclass
class TaskResult:
    """What the tasks said of one checkpoint."""

    scores: dict[str, dict[str, TaskScore]]
    """Task or group -> metric (with its filter after a comma where that has a name) -> score."""
    versions: dict[str, Any]
    """Task -> version of its definition."""
    questions: dict[str, int]
    """Task -> questions asked."""
    shots: dict[str, int]
    """Task -> examples shown before each question."""
    arrays: dict[str, np.ndarray]
    """"task/metric" -> value of every question."""

    def plain(self) -> dict[str, Any]:
        """What is written as JSON."""
        scores = {
            task: {metric: asdict(score) for metric, score in found.items()} for task, found in self.scores.items()
        }
        return {"scores": scores, "task_versions": self.versions, "questions": self.questions, "shots": self.shots}


class Tasks:
    """The tasks that a configuration names, found once for all checkpoints."""

    def __init__(self, evaluation: EvaluationConfig):
        """Raises UserError where lm-eval is not installed, and for a file or folder that does not exist."""
        self.evaluation = evaluation
        try:
            self.version = importlib.metadata.version("lm_eval")
        except importlib.metadata.PackageNotFoundError as error:
            raise UserError(
                "evaluation.tasks needs lm-eval, which is not installed; pip install lm-eval==0.4.13"
            ) from error
        self.files = [Path(name) for name in evaluation.tasks if name.endswith((".yaml", ".yml"))]
        for key, path in [("task_folders", Path(folder)) for folder in evaluation.task_folders] + [
            ("tasks", file) for file in self.files
        ]:
            if not path.exists():
                raise UserError(
                    f"evaluation.{key}: {path} does not exist; name"
                    f" {'a folder' if key == 'task_folders' else 'a YAML file'}"
                )
        self._manager: TaskManager | None = None

    def settings(self) -> str:
        """Digest of the settings."""
        return digest_of({key: getattr(self.evaluation, key) for key in SETTINGS})

    def inputs(self) -> str:
        """Digest of the definitions and data in the folders named, and of the version of lm-eval, which holds the
        others."""
        folders = {Path(folder) for folder in self.evaluation.task_folders} | {file.parent for file in self.files}
        found = sorted(
            {file for folder in folders for file in folder.rglob("*") if file.is_file() and file.suffix in DEFINITIONS}
        )
        return digest_of([self.version, *[[file.name, digest(file)] for file in found]])

    @property
    def manager(self) -> "TaskManager":
        """lm-eval's index of tasks; its own, which take seconds to list, only where a name is not in the folders.

        Raises UserError, with a suggestion, for an unknown task."""
        if self._manager is None:
            from lm_eval.tasks import TaskManager

            names = [name for name in self.evaluation.tasks if Path(name) not in self.files]
            folders = [str(Path(folder)) for folder in self.evaluation.task_folders]
            found = TaskManager(include_path=folders, include_defaults=False)
            if not set(names) <= set(found.all_tasks):
                found = TaskManager(include_path=folders)
            if unknown := [name for name in names if name not in found.all_tasks]:
                mend = (
                    suggestion(unknown[0], found.all_tasks)
                    or "; name the folder of your own with evaluation.task_folders"
                )
                raise UserError(f"evaluation.tasks: lm-eval {self.version} has no task {unknown[0]}{mend}")
            self._manager = found
        return self._manager

    def check(self) -> None:
        """Raise UserError for an unknown task."""
        _ = self.manager

    def run(self, hf_folder: str | Path) -> TaskResult:
        """Ask the net in ``hf_folder``. Raises UserError for data that are not on this machine."""
        with _quiet():
            import torch
            from lm_eval import simple_evaluate
            from lm_eval.models.huggingface import HFLM

            loaded = self._load()
            where = "cuda" if torch.cuda.is_available() else "cpu"
            evaluation = self.evaluation
            net = HFLM(
                pretrained=str(hf_folder), device=where, dtype=evaluation.task_dtype, batch_size=evaluation.task_batch
            )
            found = simple_evaluate(
                net, tasks=loaded, num_fewshot=evaluation.shots, limit=evaluation.limit or None,
                task_manager=self.manager,
                bootstrap_iters=RESAMPLES, random_seed=evaluation.seed, numpy_random_seed=evaluation.seed,
                torch_random_seed=evaluation.seed, fewshot_random_seed=evaluation.seed,
            )  # fmt: skip
        return _read(found)

    def _load(self) -> list[Any]:
        """The tasks and groups, each with its data."""
        manager, loaded = self.manager, []
        for name in self.evaluation.tasks:
            try:
                found = manager._load_spec(name)  # by `load`, a group would fall apart into its tasks
            except (OSError, ValueError) as error:
                raise UserError(_lacking(name, error)) from error
            loaded += found if isinstance(found, list) else [found]
        return loaded


def _lacking(name: str, error: Exception) -> str:
    """One sentence on a task whose data cannot be loaded."""
    told = str(error).splitlines()[0].rstrip(". ")
    if "on the Hub" in told or "Couldn't find" in told or "Offline" in told:
        named = re.search(r"'([\w.-]+(?:/[\w.-]+)?)'", told)
        data = named[1] if named else "org/name of its data set"
        return (
            f"evaluation.tasks: {name} needs the data set {data}, which is not on this machine; run jobs.fetch"
            f" 'fetch.datasets=[{data}]'"
        )
    return f"evaluation.tasks: {name} cannot be loaded ({told}); mend its definition"


def _read(found: dict[str, Any]) -> TaskResult:
    scores: dict[str, dict[str, TaskScore]] = {}
    for task, values in {**found["results"], **found.get("groups", {})}.items():
        for key, value in values.items():
            metric, _, filtered = key.partition(",")
            if not filtered or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            error = values.get(f"{metric}_stderr,{filtered}")
            higher = found["higher_is_better"].get(task, {}).get(metric, True)
            name = metric if filtered == "none" else key
            scores.setdefault(task, {})[name] = TaskScore(
                float(value), error if isinstance(error, float) else None, higher is False
            )
    questions = {task: number["effective"] for task, number in found["n-samples"].items()}
    arrays = {
        f"{task}/{metric}": np.array([sample[metric] for sample in samples], dtype=np.float64)
        for task, samples in found["samples"].items()
        for metric in samples[0]["metrics"]
        if len(samples) == questions[task] and all(isinstance(sample.get(metric), int | float) for sample in samples)
    }
    return TaskResult(scores, dict(found["versions"]), questions, dict(found["n-shot"]), arrays)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars, the log lines and the question for git of lm-eval and transformers; errors come as
    exceptions."""
    logger, aside = logging.getLogger("lm_eval"), io.StringIO()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(aside), contextlib.redirect_stdout(aside):
            yield
    finally:
        logger.setLevel(level)
