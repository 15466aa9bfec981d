"""Rows of the table: what SLURM and the submission folders know, joined with what the run folders say."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from conf.schema import Config
from jobs.registry import is_training
from jobs.views.progress import Progress, is_run, read_progress
from slurm.states import CANCELLED, QUEUED, STOPPED, State, survey
from slurm.submission import FAILED, FINISHED, REQUEUED, RUNNING

ORDER = (RUNNING, REQUEUED, QUEUED, FAILED, CANCELLED, STOPPED, FINISHED)
UNHAPPY = (FAILED, CANCELLED, STOPPED)
TOGETHER = (RUNNING, FAILED, CANCELLED, STOPPED, REQUEUED, QUEUED, FINISHED)
"""Of array tasks that share one result, the first of these that one is in is the state of them all."""


@dataclass(frozen=True)
class Row:
    """One run, or one submission of another job, as the table shows it."""

    name: str
    """Run folder below `runs_dir`; of another job its name and the folder of its result."""
    state: State
    progress: Progress
    done: str = ""
    """How many array tasks of how many have finished, where several share one result."""

    @property
    def seconds_left(self) -> float | None:
        """Estimate of what is left to do; None for what does not run."""
        return self.progress.seconds_left if self.state.name == RUNNING else None


@dataclass(frozen=True)
class Overview:
    """Everything that the table shows."""

    rows: list[Row]
    note: str = ""
    """Why states may be older than they should."""

    @property
    def summary(self) -> str:
        """Counts by state."""
        counts = Counter(row.state.name for row in self.rows)
        return ", ".join(f"{counts[name]} {name}" for name in ORDER if counts[name])


def overview(config: Config) -> Overview:
    """Rows of all runs that `status.runs` names and of all that was submitted from `runs_dir`; of equal ones the latest
    submission."""
    seen, note = survey(config.runs_dir)
    shared: dict[tuple[str, str], list[State]] = {}
    for array_task in seen:
        shared.setdefault((array_task.submission.manifest["job"], array_task.home), []).append(array_task.state)
    rows = {key: _row(config, *key, states) for key, states in shared.items()}
    for folder in _run_folders(config):
        key = "train", os.path.abspath(folder)
        if key not in rows:
            progress = read_progress(folder)
            rows[key] = Row(
                _name(config, folder), State(progress.status, attempt=progress.attempt, note=progress.note), progress
            )
    return Overview(sorted(rows.values(), key=lambda row: (ORDER.index(row.state.name), row.name)), note)


def _row(config: Config, job: str, home: str, states: Sequence[State]) -> Row:
    """The row of one result, of which each array task made a part (mostly there is one)."""
    folder, state = Path(home), min(states, key=lambda one: TOGETHER.index(one.name))
    if not is_training(job) or not is_run(folder):
        name = _name(config, folder)
        done = f"{sum(one.name == FINISHED for one in states)}/{len(states)}" if len(states) > 1 else ""
        return Row(name if is_training(job) else f"{job} {name}", state, Progress(folder, "", 0), done)
    progress = read_progress(folder)
    if progress.status == FINISHED and state.name in UNHAPPY:  # somebody went on without SLURM
        state = replace(state, name=FINISHED, note="")
    return Row(_name(config, folder), replace(state, attempt=state.attempt or progress.attempt), progress)


def _run_folders(config: Config) -> Iterable[Path]:
    found = {Path(path) for pattern in config.status.runs for path in glob.glob(_pattern(config, pattern))}
    return sorted(folder for folder in found if is_run(folder))


def _pattern(config: Config, pattern: str) -> str:
    """A pattern of run folders, in which brackets and stars of `runs_dir` itself stand for themselves."""
    below = pattern.removeprefix(config.runs_dir)
    return os.path.expanduser(pattern) if below == pattern else os.path.expanduser(glob.escape(config.runs_dir)) + below


def _name(config: Config, folder: Path) -> str:
    """``folder`` below `runs_dir`, else below the working folder, else as it is."""
    for parent in (config.runs_dir, "."):
        relative = os.path.relpath(folder, parent)
        if not relative.startswith(".."):
            return relative
    return str(folder)
