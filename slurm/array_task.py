"""The record of one array task: its attempts, written by its driver alone."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.environment import array_task_id
from common.files import digest_of, write_json
from common.layout import CHECKPOINTS, RESULTS
from slurm.submission import RUNNING, Submission

LOST, TIMED_OUT = "lost", "timeout"
"""How attempts end that say nothing themselves: SLURM took them away, or the time limit came before they had saved."""
PROGRESS = (f"{CHECKPOINTS}/*", f"{RESULTS}/*", "shards/*", "stages/*/*")


@dataclass
class ArrayTask:
    """One array task of a submission, in the batch script that runs an attempt of it."""

    submission: Submission
    index: int

    def __post_init__(self) -> None:
        self.record = self.submission.array_task(self.index)
        self.job = array_task_id()
        self.restart = int(os.environ.get("SLURM_RESTART_COUNT", 0))

    @property
    def number(self) -> int:
        """Of this attempt, 1 for the first."""
        return len(self.record["attempts"])

    @property
    def home(self) -> Path:
        """Folder of its result."""
        return Path(self.submission.points[self.index]["home"])

    def begin(self) -> None:
        """Record an attempt."""
        for former in self.record["attempts"]:
            former["status"] = (
                former["status"] or LOST
            )  # its node died, or SLURM took it away, before it could say more
        attempt = {
            "number": self.number + 1, "job_id": self.job, "restart": self.restart,
            "nodes": os.environ.get("SLURM_JOB_NODELIST", ""),
            "started": _now(), "ended": None, "status": None, "exit": None, "cause": None, "first_dead_rank": None,
            "before": self.done(),
        }  # fmt: skip
        self.record["attempts"].append(attempt)
        self.write(RUNNING)

    def overtaken(self) -> bool:
        """Whether a later attempt has begun, so that this one, cut off from SLURM, has nothing to say any more."""
        return len(self.submission.array_task(self.index)["attempts"]) > self.number

    def end(self, state: str, **fields: Any) -> None:
        """Record how the attempt ended."""
        self.note(**fields)
        self.write(state)

    def note(self, **fields: Any) -> None:
        """How the attempt ended, to be written with the record."""
        self.record["attempts"][-1].update(ended=_now(), **fields)

    def write(self, state: str) -> None:
        """Write the record. Raises UserError where the submission has been removed: a half of it is not made anew."""
        self.submission.refuse_removed()
        self.record["state"] = state
        write_json(self.submission.array_task_file(self.index), self.record)

    def done(self) -> str:
        """Digest of the names of checkpoints, results, shards and units of work in its folder: it changes when an
        attempt gets something done."""
        paths = [path for pattern in PROGRESS for path in self.home.glob(pattern) if not path.is_symlink()]
        return digest_of(sorted(path.name for path in paths if not path.name.startswith(".")))[:16]

    def hopeless(self) -> bool:
        """Whether more attempts in a row than `cluster.restarts` allows ended by themselves and got nothing done."""
        done, vain = self.done(), 0
        for attempt in reversed(self.record["attempts"]):
            if attempt["before"] != done or attempt["job_id"] != self.job:
                break
            vain += attempt["status"] != LOST  # what SLURM took away is no fault of the job's
        return vain > self.submission.cluster.restarts

    def outcome_file(self) -> Path:
        """Where rank 0 writes how this attempt ended, if it comes to that."""
        return self.submission.folder / "array_tasks" / f"{self.index:04d}_attempt_{self.number}.json"

    def is_requeued(self) -> bool:
        """Whether this job has made an attempt before; what a person queues again is another job."""
        return bool(self.record["attempts"]) and self.record["attempts"][-1]["job_id"] == self.job

    def is_removed(self) -> bool:
        """Whether the folder of its result is gone though an attempt has begun there, which is known where its logs are
        in it."""
        return (
            Path(self.submission.points[self.index]["logs"]).is_relative_to(self.home.absolute())
            and not self.home.exists()
        )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
