"""Tasks as a measure of checkpoints, and their results: eval/tasks/step_0001000.json."""

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.layout import HF
from common.progress import say
from conf.schema import Config
from model.evaluation.files import measure_file, standing, why_again, write_measured
from model.evaluation.measures import Held
from model.evaluation.results import weights_digest
from model.evaluation.tasks import Score, Tasks
from model.training.checkpoints.checkpoints import Checkpoint

KIND = "tasks"


@dataclass(frozen=True)
class TaskScores:
    """What the tasks said of one checkpoint."""

    step: int
    tokens: int
    """Tokens that the net was trained on by then."""
    scores: dict[str, dict[str, Score]]
    """Task or group -> metric -> score."""
    versions: dict[str, Any]
    """Task -> version of its definition."""
    questions: dict[str, int]
    """Task -> questions asked."""
    file: Path


class TaskMeasure:
    """The measure, of the checkpoints of one run."""

    def __init__(self, config: Config, run: Path, tasks: Tasks):
        self.config, self.run, self.tasks = config, run, tasks

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of the settings, and of the definitions of the tasks."""
        return {"settings": self.tasks.settings(), "inputs": self.tasks.inputs()}

    def left(self, checkpoint: Checkpoint) -> str | None:
        """See `Measure`."""
        if self.config.sweep.force:
            return "sweep.force is set"
        return why_again(
            measure_file(self.run, KIND, checkpoint.step), self.digests | {"weights": weights_digest(checkpoint)}
        )

    def make(self, checkpoint: Checkpoint, held: Held) -> str | None:
        """See `Measure`."""
        file = measure_file(self.run, KIND, checkpoint.step)
        if file.exists():
            say(f"tasks of step {checkpoint.step} again: {self.left(checkpoint)}")
        begun = time.monotonic()
        found = self.tasks.run(checkpoint.folder / HF)
        if not held():
            return None
        digests = self.digests | {"weights": weights_digest(checkpoint)}
        seconds = round(time.monotonic() - begun, 3)
        write_measured(
            file, KIND, checkpoint, found.arrays, digests, **found.plain(), lm_eval=self.tasks.version, seconds=seconds
        )
        first = {task: next(iter(scores.items())) for task, scores in found.scores.items() if scores}
        return ", ".join(f"{task} {metric} {score.value:.3f}" for task, (metric, score) in first.items())

    def results(self) -> list[TaskScores]:
        """Standing results by step."""
        return [_read(file, document) for file, document in standing(self.run, KIND, self.digests)]


def _read(file: Path, document: dict[str, Any]) -> TaskScores:
    scores = {
        task: {metric: Score(**score) for metric, score in found.items()} for task, found in document["scores"].items()
    }
    return TaskScores(
        document["step"], document["tokens"], scores, document["task_versions"], document["questions"], file
    )
