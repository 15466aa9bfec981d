"""Goodput: how much of the time that SLURM charged went into steps that count."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from common.layout import METRICS
from slurm.commands import run
from slurm.submission import Submission

COLUMNS = "JobID,State,ElapsedRaw"


@dataclass(frozen=True)
class Goodput:
    """Of one array task, over all its attempts; seconds of wall time."""

    useful: float
    """In steps, each counted once, as metrics.jsonl has them."""
    allocated: float
    """From the start to the end of every attempt, by SLURM's accounting."""
    attempts: list[tuple[str, float]]
    """How each ended, by SLURM's word, and how long it was."""

    @property
    def share(self) -> float:
        """Useful over allocated."""
        return self.useful / self.allocated if self.allocated else 0.0

    def describe(self) -> str:
        """For people."""
        each = ", ".join(f"{state.lower()} {seconds:.0f} s" for state, seconds in self.attempts)
        return (
            f"goodput {self.share:.0%} ({self.useful:.0f} of {self.allocated:.0f} s); {len(self.attempts) - 1}"
            f" restarts: {each}"
        )


def goodput(submission: Submission, array_task: int) -> Goodput:
    """Goodput of an array task of a training. Raises SlurmError where the accounting does not answer."""
    jobs = submission.jobs_of(array_task)
    show = ["sacct", "--duplicates", "--allocations", "--allusers", "--noheader", "--parsable2", f"--format={COLUMNS}"]
    rows = run([*show, f"--jobs={','.join(jobs)}"])
    charged = [
        (row[1].partition(" ")[0], float(row[2])) for line in rows.splitlines() if (row := line.split("|"))[0] in jobs
    ]
    recorded = [_seconds(attempt) for attempt in submission.array_task(array_task)["attempts"]]
    # of what ran while the controller fell, SLURM may know less than the array task's own record
    attempts = [
        (state, max(seconds, own))
        for (state, seconds), own in zip(charged, [*recorded, *[0.0] * len(charged)], strict=False)
    ]
    file = Path(submission.points[array_task]["home"]) / METRICS
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    useful = sum(json.loads(line).get("seconds", 0.0) for line in lines)
    return Goodput(useful, sum(seconds for _, seconds in attempts), attempts)


def _seconds(attempt: dict[str, Any]) -> float:
    """Length of an attempt by its driver's record; 0 where it was lost."""
    if not attempt["ended"]:
        return 0.0
    begun, ended = (datetime.fromisoformat(attempt[name]) for name in ("started", "ended"))
    return (ended - begun).total_seconds()
