"""What a sweep found: a run with its checkpoints and measures, and the forms in which measures tell of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from model.evaluation.interface.store import Result
from model.training.run.origins import name_of_start

if TYPE_CHECKING:
    from model.evaluation.interface.measure import Measure


@dataclass(frozen=True)
class Score:
    """One number that may choose the best checkpoint."""

    value: float
    lower: bool = False
    """Whether less is better."""


@dataclass(frozen=True)
class Scores:
    """One metric at the checkpoints where it was measured."""

    values: dict[int, float]
    """By step, ascending."""
    lower: bool
    """Whether less is better."""

    def best(self, steps: Sequence[int]) -> int | None:
        """The step of ``steps`` with the best value, of equal ones the earliest; None where none has one."""
        there = [step for step in self.values if step in set(steps)]
        return (min if self.lower else max)(there, key=self.values.__getitem__) if there else None


class Statement(NamedTuple):
    """One statistic as a person reads it."""

    name: str
    value: str
    sentence: str


@dataclass
class Parts:
    """What a measure adds to a report, as HTML."""

    curves: str = ""
    """Above the statistics: how the checkpoints do."""
    figures: str = ""
    """Below the statistics: what they rest on."""
    section: str = ""
    """Its tables, and how it was measured, under a heading."""
    columns: dict[str, dict[Path, str]] = field(default_factory=dict)
    """Of the table of runs: heading -> run -> cell."""
    note: str = ""
    """What those columns are, in words."""
    over: str = ""
    """What intervals were drawn over: queries, documents; empty without a bootstrap."""


@dataclass
class SweepResult:
    """A run, measured."""

    run: Path
    metric: str
    """What chose the best checkpoint; one of the names of `Measure.scores`."""
    checkpoints: list[Result]
    """By step: those that have a result, for their facts (step, tokens, losses)."""
    best: Result
    failed: dict[int, str]
    """Step -> why the measurement of a checkpoint was given up."""
    decoder: bool
    """Whether the net is one."""
    measures: "dict[str, Measure]"
    """By name, in the order of the registry."""
    summaries: dict[str, Any] = field(default_factory=dict, repr=False)
    """What `summary` has made."""

    @property
    def name(self) -> str:
        """The last two parts of the run's path."""
        return "/".join(self.run.resolve().parts[-2:])

    @cached_property
    def start(self) -> str:
        """What the net at step 0 is called."""
        return name_of_start(self.run)

    @property
    def chooser(self) -> "Measure":
        """The measure that `metric` is of."""
        return next(measure for measure in self.measures.values() if measure.owns(self.metric))

    def measure(self, name: str) -> Any:
        """The measure ``name``, None where it was not measured."""
        return self.measures.get(name)

    def summary(self, name: str) -> Any:
        """Statistics of a measure, made once."""
        if name not in self.summaries:
            self.summaries[name] = self.measures[name].summarise(self)
        return self.summaries[name]


@dataclass
class Group:
    """Runs of one configuration, its seeds."""

    label: str
    runs: list[SweepResult]


def common_start(runs: Sequence[SweepResult]) -> str:
    """What the net at step 0 is called in several runs."""
    return runs[0].start if len({run.start for run in runs}) == 1 else "step 0"
