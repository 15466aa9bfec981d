"""A stage: units of work, each an atomic folder that is found whole or made again."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common import manifest
from common.errors import UserError
from common.files import atomic_folder, digest, digest_of
from common.progress import ProgressReport
from conf.schema import Config
from data_prep.corpus.stages.plan import CorpusPlan

MB = 1e-6
STAGES = "stages"


@dataclass(frozen=True)
class Task:
    """A unit of work of a stage."""

    name: str
    """Its folder below stages/<stage>/."""
    size: float
    """MB of input that it stands for."""


class CorpusWork:
    """The work of all stages: configuration, plan, output folder."""

    def __init__(self, config: Config):
        self.root, self.config = config, config.corpus
        self.output = Path(config.corpus.output)
        self.plan = CorpusPlan(config.corpus)


class Stage:
    """Base of the stages. A result is whole when its manifest stands and says that it was made of what is there now."""

    name = ""
    version = 0
    """Raised by hand whenever the same input may give another result: results of older versions are made anew.
    ``tests/data_prep/versions`` holds it to that."""
    small = 200.0
    """MB of input below which a process of its own costs more than it saves."""

    def __init__(self, work: CorpusWork, before: "Stage | None" = None):
        self.work, self.before = work, before

    def tasks(self) -> list[Task]:
        """Return the units of work, the same for any number of array tasks."""
        raise NotImplementedError

    def even(self, names: Sequence[str]) -> list[Task]:
        """Tasks that have an equal part in all the input."""
        whole = sum(unit.shard.bytes for unit in self.work.plan.units) * MB
        return [Task(name, whole / len(names)) for name in names]

    def settings(self) -> dict[str, Any]:
        """Return what the results depend on beside the stage before."""
        return {}

    def make(self, task: Task, folder: Path, report: ProgressReport) -> dict[str, Any]:
        """Do one unit of work into ``folder``; returns what its manifest shall hold."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """Folder of its results."""
        return self.work.output / STAGES / self.name

    def inputs(self, task: Task) -> Any:
        """Return what a unit's result is made of: by default everything of the stages before."""
        return self.before.identity if self.before else None

    def versions(self, task: Task) -> dict[str, int]:
        """Return the versions of the code that decides a unit's result, by names that messages can use."""
        return {f"stage {self.name}": self.version}

    def depends(self, task: Task) -> str:
        """Digest of all that decides a unit's result."""
        return digest_of([self.settings(), self.versions(task), self.inputs(task)])

    def find(self, task: Task) -> dict[str, Any] | None:
        """The manifest of a unit whose result is there, whole and up to date."""
        home = self.folder / task.name
        if not (home / manifest.NAME).exists():
            return None
        try:
            unit_manifest = manifest.read(home)
        except UserError:
            return None
        sizes = {
            name: (home / name).stat().st_size if (home / name).exists() else -1 for name in unit_manifest["sizes"]
        }
        current = unit_manifest["depends"] == self.depends(task) and sizes == unit_manifest["sizes"]
        return unit_manifest if current else None

    def run(self, task: Task, report: ProgressReport) -> None:
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
            fields |= {manifest.MADE_BY: self.versions(task), "depends": depends, "files": sums, "sizes": sizes, **took}
            manifest.write(aside, manifest.describe(self.name, **fields))

    @cached_property
    def manifests(self) -> list[dict[str, Any]]:
        """Manifests of all units, in order. Raises UserError where one is missing."""
        unit_manifests = []
        for task in self.tasks():
            unit_manifest = self.find(task)
            if unit_manifest is None:
                raise UserError(
                    f"{self.folder / task.name} is not done (or of other inputs); give the same command without"
                    " corpus.stage"
                )
            unit_manifests.append(unit_manifest)
        return unit_manifests

    @cached_property
    def identity(self) -> str:
        """Digest of all results of this stage and, through them, of those before."""
        return digest_of(
            [
                self.before.identity if self.before else None,
                [unit_manifest["files"] for unit_manifest in self.manifests],
            ]
        )

    def files(self, name: str) -> Iterator[Path]:
        """The file ``name`` of every unit, in order."""
        return (self.folder / task.name / name for task in self.tasks())
