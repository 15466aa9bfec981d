"""Tasks of lm-eval as a measure of checkpoints; results: eval/tasks/step_0001000.json."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.report.html import text
from conf.schema import Config
from model.evaluation.interface import defaults
from model.evaluation.interface.measure import Measure
from model.evaluation.interface.result import Parts, Score, SweepResult
from model.evaluation.interface.store import NOUNS, Result
from model.evaluation.measures.tasks.lm_eval import Tasks, TaskScore


class TaskScores(Result):
    """What the tasks said of one checkpoint."""

    @property
    def scores(self) -> dict[str, dict[str, TaskScore]]:
        """Task or group -> metric -> score."""
        written = self.document["scores"]
        return {task: {metric: TaskScore(**score) for metric, score in own.items()} for task, own in written.items()}

    @property
    def versions(self) -> dict[str, Any]:
        """Task -> version of its definition."""
        return self.document["task_versions"]

    @property
    def questions(self) -> dict[str, int]:
        """Task -> questions asked."""
        return self.document["questions"]


class TaskMeasure(Measure):
    """Scores of tasks, each with its standard error over questions."""

    name = "tasks"
    prefixes = ("task",)
    result = TaskScores
    nouns = NOUNS | {"inputs": "other texts, tasks or tokenizer"}
    shared: Tasks
    results: list[TaskScores]

    @classmethod
    def asked(cls, config: Config) -> bool:
        """See `Measure`."""
        return bool(config.evaluation.tasks)

    @classmethod
    def wanted(cls, config: Config, decoder: bool) -> bool:
        """See `Measure`."""
        if cls.asked(config) and not decoder:
            raise UserError("evaluation.tasks is measured of decoders, and this net is an encoder; leave it empty")
        return cls.asked(config)

    @classmethod
    def lacking(cls, config: Config) -> str:
        """See `Measure`."""
        return "evaluation.tasks is empty"

    @classmethod
    def told(cls, config: Config) -> str:
        """See `Measure`."""
        return f"the tasks {', '.join(config.evaluation.tasks)}"

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise UserError for an unknown task."""
        Tasks(config.evaluation).check()

    @classmethod
    def metric_names(cls, config: Config) -> list[str]:
        """See `Measure`."""
        return ["task/<task>/<metric>"] if cls.asked(config) else []

    @classmethod
    def check_metric(cls, config: Config, metric: str) -> None:
        """Raise UserError where no task is asked for, or the name has no task and metric."""
        task, _, of_task = metric.partition("/")[2].rpartition("/")
        if not (task and of_task and cls.asked(config)):
            mend = "write task/<task>/<metric>" if cls.asked(config) else cls.lacking(config)
            raise UserError(f"sweep.metric={metric} cannot be measured; {mend}")

    @classmethod
    def share(cls, config: Config, tokenizer_file: Path) -> Tasks:
        """The tasks, found once. Raises UserError where lm-eval is not installed."""
        return Tasks(config.evaluation)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of the settings, and of the definitions of the tasks."""
        return {"settings": self.shared.settings(), "inputs": self.shared.inputs()}

    def measure(self, hf_folder: Path) -> Mapping[str, Any]:
        """See `Measure`."""
        answers = self.shared.run(hf_folder)
        return {**answers.arrays, **answers.plain(), "lm_eval": self.shared.version}

    def scores(self, result: TaskScores) -> dict[str, Score]:
        """See `Measure`."""
        return {
            f"task/{task}/{metric}": Score(score.value, score.lower)
            for task, own in result.scores.items()
            for metric, score in own.items()
        }

    def summary_line(self, result: TaskScores) -> str:
        """The first metric of each task."""
        first = {task: next(iter(own.items())) for task, own in result.scores.items() if own}
        return ", ".join(f"{task} {metric} {score.value:.3f}" for task, (metric, score) in first.items())

    def cells(self, result: TaskScores) -> dict[str, str]:
        """Every metric with its standard error."""
        return {f"{task}, {metric}": cell for task, metric, cell in _told(result)}

    def clause(self, sweep: SweepResult) -> str:
        """See `Measure`."""
        result = self.at(sweep.best.step)
        return ", ".join(f"{task} {metric} {cell}" for task, metric, cell in _told(result)) if result else ""

    def tables(self, sweep: SweepResult) -> list[Any]:
        """See `Measure`."""
        if not self.results:
            return []
        title = f"Tasks of lm-eval, with standard errors; best checkpoint by {sweep.metric}"
        return [defaults.terminal_table(title, self.rows(sweep))]

    def report(self, sweep: SweepResult) -> Parts:
        """The table, and what was asked."""
        if not self.results:
            return Parts()
        last = self.results[-1]
        asked = "; ".join(
            f"{task}: version {last.versions.get(task, '-')}, {number} questions"
            for task, number in last.questions.items()
        )
        version = last.document["lm_eval"]
        section = f"""<h2>Tasks</h2>{defaults.html_table(self.rows(sweep))}
<p class="small">lm-eval {text(version)}; {text(asked)}. ± is one standard error over questions.</p>"""
        return Parts(section=section)


def _told(result: TaskScores) -> Sequence[tuple[str, str, str]]:
    """Task, metric and the value with its standard error."""
    return [(task, metric, _cell(score)) for task, own in result.scores.items() for metric, score in own.items()]


def _cell(score: TaskScore) -> str:
    return f"{score.value:.3f}" + ("" if score.stderr is None else f" ± {score.stderr:.3f}")
