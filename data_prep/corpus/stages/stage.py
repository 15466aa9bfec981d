"""A stage: units of work, each an atomic folder that is found whole or made again."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from common import manifest
from common.errors import UserError
from common.files import atomic_folder, digest, digest_of
from conf.schema import Config
from data_prep.corpus.stages.plan import Plan

MB = 1e-6
STAGES = "stages"


class Report(Protocol):
    """Whom a unit of work tells of its progress (see `slurm.local`)."""

    def advance(self, amount: float) -> None:
        """So many more MB are done."""

    def say(self, message: str) -> None:
        """A line for the person who watches."""


@dataclass(frozen=True)
class Task:
    """One unit of work of a stage."""

    name: str
    """Its folder below stages/<stage>/."""
    size: float
    """MB of input that it stands for."""


class Work:
    """What all stages share: configuration, plan, output folder."""

    def __init__(self, config: Config):
        self.root, self.config = config, config.corpus
        self.output = Path(config.corpus.output)
        self.plan = Plan(config.corpus)


class Stage:
    """Base of the stages. A result is whole when its manifest stands and says that it was made of what is there now."""

    name = ""
    small = 200.0
    """MB of input below which a process of its own costs more than it saves."""

    def __init__(self, work: Work, before: "Stage | None" = None):
        self.work, self.before = work, before

    def tasks(self) -> list[Task]:
        """Its units of work, the same for any number of array tasks."""
        raise NotImplementedError

    def even(self, names: Sequence[str]) -> list[Task]:
        """Tasks that have an equal part in all the input."""
        whole = sum(unit.shard.bytes for unit in self.work.plan.units) * MB
        return [Task(name, whole / len(names)) for name in names]

    def settings(self) -> dict[str, Any]:
        """What its results depend on beside the stage before."""
        return {}

    def make(self, task: Task, folder: Path, report: Report) -> dict[str, Any]:
        """Do one unit of work into ``folder``; returns what its manifest shall hold."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """Where its results are."""
        return self.work.output / STAGES / self.name

    def inputs(self, task: Task) -> Any:
        """What this unit's result is made of: by default everything of the stages before."""
        return self.before.identity if self.before else None

    def depends(self, task: Task) -> str:
        """Digest of all that decides a unit's result."""
        return digest_of([self.settings(), self.inputs(task)])

    def find(self, task: Task) -> dict[str, Any] | None:
        """The manifest of a unit whose result is there, whole and up to date."""
        home = self.folder / task.name
        if not (home / manifest.NAME).exists():
            return None
        try:
            known = manifest.read(home)
        except UserError:
            return None
        sizes = {name: (home / name).stat().st_size if (home / name).exists() else -1 for name in known["sizes"]}
        return known if known["depends"] == self.depends(task) and sizes == known["sizes"] else None

    def run(self, task: Task, report: Report) -> None:
        """Do one unit of work, unless it is done."""
        if self.find(task):
            report.advance(task.size)
            return
        depends, started, cpu = self.depends(task), time.perf_counter(), time.process_time()
        with atomic_folder(self.folder / task.name, self.name, keep=True) as aside:
            fields = self.make(task, aside, report)
            files = {str(path.relative_to(aside)): path for path in sorted(aside.rglob("*")) if path.is_file()}
            sums = {name: digest(path) for name, path in files.items()}
            sizes = {name: path.stat().st_size for name, path in files.items()}
            took = {
                "seconds": round(time.perf_counter() - started, 4),
                "cpu_seconds": round(time.process_time() - cpu, 4),
                "mb": task.size,
            }
            manifest.write(
                aside, manifest.describe(self.name, depends=depends, files=sums, sizes=sizes, **took, **fields)
            )

    @cached_property
    def manifests(self) -> list[dict[str, Any]]:
        """Manifests of all units, in order. Raises UserError where one is missing."""
        found = []
        for task in self.tasks():
            known = self.find(task)
            if known is None:
                raise UserError(
                    f"{self.folder / task.name} is not done (or of other inputs); give the same command without"
                    " corpus.stage"
                )
            found.append(known)
        return found

    @cached_property
    def identity(self) -> str:
        """Digest of all results of this stage and, through them, of those before."""
        return digest_of([self.before.identity if self.before else None, [one["files"] for one in self.manifests]])

    def files(self, name: str) -> Iterator[Path]:
        """The file ``name`` of every unit, in order."""
        return (self.folder / task.name / name for task in self.tasks())
