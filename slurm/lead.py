"""When ranks must be told to save: SLURM signals `cluster.signal_lead` seconds before the time limit, which a
checkpoint may outlast.

That lead is fixed when a job is submitted, so where checkpoints turn out to take longer the driver itself asks the
ranks, earlier."""

import time
from pathlib import Path

from common.errors import UserError
from common.files import read_json
from common.layout import MANIFEST, STEPS, checkpoints_folder
from slurm.array_task import TIMED_OUT, ArrayTask
from slurm.commands import SlurmError, details
from slurm.quantities import seconds


class Lead:
    """Of one attempt; `is_due` is to be asked every `every` seconds."""

    every = 10.0

    def __init__(self, array_task: ArrayTask):
        self.array_task = array_task
        self.usual = float(array_task.submission.cluster.signal_lead)
        self.checkpoints: dict[Path, float] = {}
        self.trains = array_task.submission.manifest["job"] == "train"
        self.ask_again = 0.0
        self.asked = False

    def is_due(self) -> bool:
        """Whether the ranks are to be asked now; true once. What SLURM's own signal does in time is left to it."""
        wanted, now = self.wanted(), time.monotonic()
        if self.asked or wanted <= self.usual or now < self.ask_again:
            return False
        left, limit = time_left(self.array_task.job)
        if left is None or limit is None:
            self.ask_again = now + 6 * self.every
            return False
        lead = min(wanted, limit / 2)  # an attempt gets something done, too
        self.ask_again = now + max(self.every, (left - lead) / 2)  # the limit may be changed meanwhile
        self.asked = left <= lead
        if self.asked:
            print(
                f"{left} s are left, and a checkpoint may take {wanted / 2:.0f} s: the ranks are asked to save and to"
                " end now",
                flush=True,
            )
        return self.asked

    def wanted(self) -> float:
        """Seconds before the time limit: twice the longest checkpoint of the run so far, and at each attempt in a row
        that was overtaken by the limit twice as long as before."""
        for file in checkpoints_folder(self.array_task.home).glob(f"{STEPS}/{MANIFEST}") if self.trains else ():
            if file not in self.checkpoints:
                self.checkpoints[file] = _duration(file)
        vain = 0
        for attempt in reversed(self.array_task.record["attempts"][:-1]):
            if attempt["status"] != TIMED_OUT:
                break
            vain += 1
        return max(self.usual * 2**vain, 2 * max(self.checkpoints.values(), default=0.0))


def time_left(job: str) -> tuple[int | None, int | None]:
    """Seconds that SLURM leaves a job, and its time limit; None where there is no limit or nobody answers."""
    try:
        known = details(job)
        limit, gone = (seconds(known.get(name, "")) for name in ("TimeLimit", "RunTime"))
    except (SlurmError, ValueError):
        return None, None
    return None if limit is None else limit - (gone or 0), limit


def _duration(manifest: Path) -> float:
    """What a checkpoint took; 0 where its manifest does not say, or is gone by now."""
    try:
        return float(read_json(manifest).get("seconds", 0.0))
    except (UserError, OSError, AttributeError, TypeError, ValueError):
        return 0.0
