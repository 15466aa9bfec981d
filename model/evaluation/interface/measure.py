"""A measure: one thing that is measured of every checkpoint of a run.

A measure is a class with a `name`, `measure` and `scores`, and a line in `model/evaluation/registry.py`. All else has a
default: what it needs (`Planning`), what its results depend on, its curves in TensorBoard, its columns and its part of
the reports (`Reporting`). Sweep, choice of the best checkpoint, scalars, tables, reports and jobs loop over the
registry."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from common.files import digest_of
from common.layout import HF
from common.progress import say
from conf.schema import Config
from model.evaluation.interface.planning import Planning
from model.evaluation.interface.reporting import Reporting
from model.evaluation.interface.result import Score
from model.evaluation.interface.store import (
    NOUNS,
    Result,
    result_file,
    standing_results,
    weights_digest,
    why_stale,
    write_result,
)
from model.training.checkpoints.checkpoints import Checkpoint

Held = Callable[[], bool]
"""Whether the claim of the checkpoint in work is this process's (still)."""


class Measure(Planning, Reporting, ABC):
    """One measure of the checkpoints of one run."""

    result: ClassVar[type[Result]] = Result
    """How its results are read."""
    nouns: ClassVar[Mapping[str, str]] = NOUNS
    """Part of the digests of a result -> what it means when it differs."""

    def __init__(self, config: Config, run: Path, shared: Any = None):
        """``shared``: what `share` returned for the tokenizer of this run."""
        self.config, self.run, self.shared = config, run, shared
        self.results: list[Any] = []
        """Standing results by step, after `finish`."""

    @abstractmethod
    def measure(self, hf_folder: Path) -> Mapping[str, Any]:
        """Measure the net in ``hf_folder``: what is written as its result, arrays beside the JSON. Needs
        `model.megatron.startup.start`."""

    @abstractmethod
    def scores(self, result: Any) -> Mapping[str, Score]:
        """Value of `sweep.metric` -> the score of a checkpoint by it, that which is chosen by default first."""

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of the settings and of the inputs that a result depends on."""
        return {"settings": digest_of(self.name), "inputs": ""}

    def stale(self, checkpoint: Checkpoint) -> str | None:
        """Why a checkpoint has to be measured (again); None where its result stands."""
        if self.config.sweep.force:
            return "sweep.force is set"
        file = result_file(self.run, self.name, checkpoint.step)
        return why_stale(file, self.digests | {"weights": weights_digest(checkpoint)}, self.nouns)

    def make(self, checkpoint: Checkpoint, held: Held) -> str | None:
        """Measure a checkpoint and write the result; what came of it in words. None, and nothing written, where
        ``held`` says no by then."""
        file = result_file(self.run, self.name, checkpoint.step)
        if file.exists():
            say(f"{self.name} of step {checkpoint.step} again: {self.stale(checkpoint)}")
        begun = time.monotonic()
        values = dict(self.measure(checkpoint.folder / HF))
        if not held():
            return None
        values.setdefault("seconds", round(time.monotonic() - begun, 3))
        write_result(file, self.name, checkpoint, values, self.digests | {"weights": weights_digest(checkpoint)})
        return self.summary_line(self.result.read(file))

    def summary_line(self, result: Any) -> str:
        """What came of a checkpoint, in words."""
        return ", ".join(f"{name} {score.value:.4g}" for name, score in self.scores(result).items())

    def finish(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Read the results, when all checkpoints are measured, and make what stands beside them."""
        self.results = standing_results(self.run, self.name, self.digests, self.result)
