"""How a measure tells of its results: curves in TensorBoard, tables, verdicts, statistics, parts of reports."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.table import Table

from model.evaluation.interface import defaults
from model.evaluation.interface.result import Group, Parts, Score, Statement, SweepResult
from model.evaluation.statistics.bootstrap import Interval
from model.training.checkpoints.checkpoints import Checkpoint


class Reporting:
    """The hooks of a measure that read its results; each has a default, made of its scores."""

    name: ClassVar[str]
    title: ClassVar[str] = ""
    """Heading of its section in reports; empty takes the name."""
    results: list[Any]
    """Standing results by step."""

    def scores(self, result: Any) -> Mapping[str, Score]:
        """See `Measure`."""
        raise NotImplementedError

    def at(self, step: int) -> Any:
        """The result of one checkpoint, None where it has none."""
        return next((result for result in self.results if result.step == step), None)

    def scalars(self, result: Any) -> dict[str, float]:
        """Tag -> value in TensorBoard, at the step of the checkpoint."""
        return {name: score.value for name, score in self.scores(result).items()}

    def tag(self, metric: str, result: Any) -> str:
        """The curve among `scalars` that shows a value of `sweep.metric`."""
        return metric

    def interval(self, metric: str, step: int) -> Interval | None:
        """95% interval of a metric at a checkpoint; None where the metric has none, or without a bootstrap."""
        return None

    def against(self, metric: str, step: int, other: "Reporting", other_step: int) -> Interval | None:
        """Interval of the difference to a checkpoint of another run, on the same inputs; None as for `interval`."""
        return None

    def summarise(self, sweep: SweepResult) -> Any:
        """Statistics of the run, a dataclass, for eval/statistics.json and `SweepResult.summary`; None for none."""
        return None

    def across(self, runs: Sequence[SweepResult]) -> Any:
        """Statistics of several runs together, a dataclass; None for none."""
        return None

    def cells(self, result: Any) -> dict[str, str]:
        """Heading -> cell of a checkpoint in tables."""
        return {name: f"{score.value:.4g}" for name, score in self.scores(result).items()}

    def clause(self, sweep: SweepResult) -> str | None:
        """What is said of the best checkpoint, as a part of the verdict on the run; None for a `sentence` of its
        own."""
        result = self.at(sweep.best.step)
        return ", ".join(f"{name} {cell}" for name, cell in self.cells(result).items()) if result else ""

    def sentence(self, sweep: SweepResult) -> str:
        """What is said of the run beside the clauses."""
        return ""

    def tables(self, sweep: SweepResult) -> Iterable[Table]:
        """Tables on the terminal."""
        return [defaults.terminal_table(f"{self.heading()}; best checkpoint by {sweep.metric}", self.rows(sweep))]

    def rows(self, sweep: SweepResult) -> Iterator[tuple[list[str], bool]]:
        """Headings, then step, tokens and `cells` of every checkpoint; and whether it is the best one."""
        return defaults.rows(self.results, self.cells, sweep.best.step)

    def statements(self, runs: Sequence[SweepResult]) -> list[Statement]:
        """Statistics in words; runs that lack this measure are among ``runs``."""
        return []

    def report(self, sweep: SweepResult) -> Parts:
        """Its part of the report of one run."""
        curve = defaults.curve(self.name, self.heading(), self.results, self.scores, sweep)
        return Parts(curves=curve, section=f"<h2>{self.heading()}</h2>{defaults.html_table(self.rows(sweep))}")

    def compare(self, groups: Sequence[Group]) -> Parts:
        """Its part of the report of several runs: what it says of the best checkpoint of each."""
        rows = [(run, run.measure(self.name)) for group in groups for run in group.runs if run.measure(self.name)]
        return Parts(section=defaults.best_table(f"{self.heading()} at the best checkpoints", rows))

    @classmethod
    def card(cls, run: Path, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        """Rows of the model card of an exported checkpoint of ``run``, with equal keys, by the results that lie
        there."""
        return []

    @classmethod
    def card_heading(cls) -> str:
        """Of those rows."""
        return cls.heading()

    @classmethod
    def heading(cls) -> str:
        """Of its tables and sections."""
        return cls.title or cls.name.capitalize()
