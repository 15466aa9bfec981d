"""Fence around a folder: it is written by the last process that claimed it. An earlier one may still live, on a node
that was given up for dead."""

from pathlib import Path

from common.claim import Holder, this_process
from common.environment import array_task_id
from common.errors import UserError
from common.files import atomic_file, make_folder, read_json, write_json
from common.layout import OWNER
from common.remove import remove_file

NAME = OWNER
EXIT_SUPERSEDED = 76
"""Exit status of a process that found another one in its place and left everything to it."""


class Superseded(UserError):
    """Another process has claimed the folder; this one ends without touching it."""


class Fence:
    """A fencing token: `claim` puts this process in front, `check` comes before every append and every rename.

    No file lock is relied on, which parallel file systems keep badly, and which a process on a lost node would hold for
    ever."""

    def __init__(self, folder: str | Path):
        self.folder, self.token = Path(folder), ""
        self.former: bytes | None = None

    def claim(self, attempt: int) -> None:
        """Take the folder over as attempt number ``attempt``. Raises UserError where it cannot be written."""
        me, file = this_process(array_task_id()), make_folder(self.folder) / NAME
        self.token, self.former = me["token"], file.read_bytes() if file.is_file() else None
        write_json(file, {**me, "attempt": attempt})

    def withdraw(self) -> None:
        """Undo `claim`, unless another process has claimed the folder since."""
        holder = self.holder() if self.token else None
        if holder and holder["token"] == self.token:
            if self.former:
                with atomic_file(self.folder / NAME) as file:
                    file.write(self.former)
            else:
                remove_file(self.folder / NAME)
        self.token = ""

    def holder(self) -> Holder | None:
        """Return who claimed the folder last, and may have ended since; None where nobody did."""
        file = self.folder / NAME
        return {"restart": 0, "born": None, **read_json(file)} if file.is_file() else None

    def check(self) -> None:
        """Raise Superseded where another process has claimed the folder since, UserError where it is gone. Nothing to
        check before `claim`."""
        if not self.token:
            return
        if not (self.folder / NAME).is_file():
            raise UserError(
                f"{self.folder} was removed or moved while this process wrote there, so it ends; the same command"
                " starts afresh"
            )
        owner = read_json(self.folder / NAME)
        if owner["token"] != self.token:
            job = f", job {owner['job']}" if owner["job"] else ""
            raise Superseded(
                f"attempt {owner['attempt']} (process {owner['pid']} on {owner['host']}{job}) has taken {self.folder}"
                " over; this process leaves it alone and ends"
            )
