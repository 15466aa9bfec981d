"""Who writes into a folder: the last process that claimed it. An earlier one may still live, on a node that was given up for dead."""

import os
import socket
import uuid
from pathlib import Path

from common.errors import UserError
from common.files import make_folder, read_json, write_json

NAME = "owner.json"
EXIT_SUPERSEDED = 76
"""Exit status of a process that found another one in its place and left everything to it."""


class Superseded(UserError):
    """Another process has claimed the folder; this one ends without touching it."""


class Fence:
    """A fencing token: `claim` puts this process in front, `check` comes before every append and every rename.

    No file lock is relied on, which parallel file systems keep badly, and which a process on a lost node would hold for ever."""

    def __init__(self, folder: str | Path):
        self.folder, self.token = Path(folder), ""

    def claim(self, attempt: int) -> None:
        """Take the folder over as attempt number ``attempt``. Raises UserError where it cannot be written."""
        self.token = uuid.uuid4().hex
        owner = {"attempt": attempt, "host": socket.gethostname(), "pid": os.getpid(), "job": os.environ.get("SLURM_JOB_ID")}
        write_json(make_folder(self.folder) / NAME, {"token": self.token, **owner})

    def check(self) -> None:
        """Raise Superseded where another process has claimed the folder since, UserError where it is gone. Nothing to check before
        `claim`."""
        if not self.token:
            return
        if not (self.folder / NAME).is_file():
            raise UserError(
                f"{self.folder} was removed or moved while this process wrote there, so it ends; the same command starts afresh"
            )
        owner = read_json(self.folder / NAME)
        if owner["token"] != self.token:
            job = f", job {owner['job']}" if owner["job"] else ""
            raise Superseded(
                f"attempt {owner['attempt']} (process {owner['pid']} on {owner['host']}{job}) has taken {self.folder} over; "
                "this process leaves it alone and ends"
            )
