"""The record of a job: everything that the command line, the queue, the graph and `jobs.status` want to know of it.

A record stands apart from the job's own file, because each command reads all records and only its own job, whose
imports take seconds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from common import manifest as manifests
from conf.schema import Config
from jobs.records.following import Ended, Next

Coming = Callable[[str], bool]
"""Whether a path lies in a folder that a job before this one will have made by then."""


class WorkStage(NamedTuple):
    """A part of the work that array tasks do side by side, before the next stage begins."""

    name: str
    """For people; empty where the job has one stage alone."""
    tasks: list[Config]
    """The configuration of each array task."""


@dataclass(frozen=True)
class DiskNeed:
    """Disk that the points of a job take, at most."""

    bytes: float
    files: int
    folder: Path
    """Which lies on that disk."""
    why: str


def results_and_logs(configs: Sequence[Config]) -> DiskNeed:
    """Disk of a job that writes little."""
    return DiskNeed(1e7 * len(configs), 20 * len(configs), Path(configs[0].runs_dir), "results and logs")


@dataclass(frozen=True)
class Job:
    """One entry point under ``jobs/``."""

    name: str
    title: str
    """What it does, in a few words."""
    sections: tuple[str, ...]
    """Sections of the configuration that it reads, as `--help` lists them."""

    # what it reads and makes
    home: Callable[[Config], str] | None = None
    """Folder of its result; None for a job that makes none, and is neither queued nor a step of a pipeline."""
    needs: Callable[[Config], dict[str, str]] = lambda config: {}
    """Key of the configuration -> the file or folder that must be there before it starts."""
    more: Callable[[Config], list[str]] = lambda config: []
    """Folders beside `home` that it leaves behind."""
    is_done: Callable[[Config], bool] | None = None
    """Whether its result is there; None: its home has a manifest."""
    text_key: str = "data.inputs"
    """Key of the text, or of what else it is given to work on."""
    references: bool = False
    """It sees `hf://` references as they were written; all others, unless they only estimate, see the local paths of
    what was mirrored."""

    # what it refuses
    check: Callable[[Config], None] = lambda config: None
    """Raise UserError for what cannot be meant, whatever lies on the disk."""
    check_files: Callable[[Config, Coming], None] = lambda config, coming: None
    """Raise UserError for what lies on the disk and does not do; what is still coming is passed over. For a start that
    comes later, in a queue or a chain; one that begins at once looks for itself."""
    check_after_training: Callable[[Config], None] = lambda config: None
    """Raise UserError for what does not fit the net that the same configuration trains in a step before."""

    # how it is started and queued
    is_chain: bool = False
    """It runs other jobs, one after the other."""
    is_training: bool = False
    """It makes steps: `jobs.status` shows step, loss and speed, and its logs lie in its run folder."""
    estimates: bool = False
    """It has `plan=true`, which runs nothing."""
    multirun: bool = True
    """It takes several values of a key; without: it looks at everything at once."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """Flags of its own -> the override that each stands for."""
    close: Callable[[Config], Config] = lambda config: config
    """Settle, before it is queued, what its configuration leaves open."""
    stages: Callable[[Config], list[WorkStage]] | None = None
    """Its work cut into stages, each of array tasks that run side by side; the job itself then does the rest."""
    last_stage: str = "report"
    """What that rest is called."""
    part_keys: tuple[str, ...] = ()
    """Keys that ask for a part of the work."""
    lenient: bool = False
    """It comes to its turn even where an array task of it failed."""
    distributed: bool = False
    """It may have more than one rank."""
    gpu: bool = False
    """It computes on a GPU where there is one."""
    disk: Callable[[Sequence[Config]], DiskNeed] = results_and_logs
    """Disk that its points take together."""
    disk_ahead: bool = False
    """Whether that can be told before its inputs are there."""

    # what comes after it
    following: Callable[[Ended], Next | list[str] | None] = lambda ended: None
    """The job that comes after it, or the arguments of a Python that does; None where nothing is to be said."""
    takes_over: tuple[str, ...] = ()
    """Sections of which it takes the arguments over from the command before it; empty: all."""
    once: tuple[str, ...] = ()
    """Keys that are meant for one start alone, beside `part_keys`."""
    previews: bool = True
    """Whether dry_run=true shows what it would do, so that the same command without it comes next."""

    @property
    def is_queueable(self) -> bool:
        """Whether SLURM can run it."""
        return self.home is not None or self.is_chain

    def makes(self, config: Config) -> list[str]:
        """Folders that it leaves behind."""
        return [*([self.home(config)] if self.home else []), *self.more(config)]

    def done(self, config: Config) -> bool:
        """Whether its result is there."""
        if self.is_done:
            return self.is_done(config)
        return self.home is not None and (Path(self.home(config)) / manifests.NAME).is_file()
