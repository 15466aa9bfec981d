"""Claims, on things that several processes may be asked to do: the one that holds its claim. One that died loses it
to the next."""

import json
import os
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from common.disk import naming
from common.files import make_folder
from common.remove import ASIDE, remove_file

Holder = dict[str, Any]
"""token, job, restart, host, pid, born: of the process that made a claim."""


class Claim:
    """A file that exists while a process works on what it stands for. It appears whole, and for one process only (by a
    hard link).

    Two processes may both believe for a moment that a dead holder's claim is theirs; so `held` comes before what was
    done is written."""

    def __init__(self, file: str | Path, job: str = "", alive: Callable[[Holder], bool] = lambda holder: True):
        """``job``: id of the SLURM job or array task that this process is in; ``alive(holder)``: whether a process
        on another host still works, which is assumed where nobody can say."""
        self.file, self.alive = Path(file), alive
        self.aside = self.file.with_name(f"{ASIDE}{self.file.name}-{uuid.uuid4().hex}")
        self.me = this_process(job)

    def take(self) -> Holder | None:
        """Make the claim, or take it over from a holder that is gone: None. Else the holder, which still works."""
        while not self._make():
            holder = self.holder()
            if holder is None:
                continue  # released just now
            if lives(holder, self.me, self.alive):
                return holder
            self._unmake(holder["token"])
        return None

    def held(self) -> bool:
        """Check whether the claim is this process's (still)."""
        holder = self.holder()
        return holder is not None and holder["token"] == self.me["token"]

    def release(self) -> None:
        """Give the claim up; nothing where it is another's by now."""
        if self.held():
            remove_file(self.file)

    def holder(self) -> Holder | None:
        """Return who holds the claim; None where nobody does."""
        try:
            return json.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def stale(self) -> bool:
        """Check whether the claim is held by a process that is gone."""
        holder = self.holder()
        return holder is not None and not lives(holder, self.me, self.alive)

    def _make(self) -> bool:
        make_folder(self.file.parent)
        try:
            with naming(self.file, self.aside):
                self.aside.write_text(json.dumps(self.me) + "\n", encoding="utf-8")
                os.link(self.aside, self.file)
        except FileExistsError:
            return False
        finally:
            remove_file(self.aside)
        return True

    def _unmake(self, token: str) -> None:
        """Remove the claim that ``token`` names. What turns out to be another one, made in between, is put back."""
        try:
            os.rename(self.file, self.aside)
        except FileNotFoundError:
            return
        with suppress(FileExistsError):  # a third was quicker; whoever lost its claim by this sees that in `held`
            if json.loads(self.aside.read_text(encoding="utf-8"))["token"] != token:
                os.link(self.aside, self.file)
        remove_file(self.aside)


def this_process(job: str = "") -> Holder:
    """This process as the holder of something; ``job``: see `Claim`."""
    return {
        "token": uuid.uuid4().hex, "job": job, "restart": int(os.environ.get("SLURM_RESTART_COUNT", 0)),
        "host": socket.gethostname(), "pid": os.getpid(), "born": psutil.Process().create_time(),
    }  # fmt: skip


def lives(holder: Holder, me: Holder, alive: Callable[[Holder], bool]) -> bool:
    """Check whether ``holder`` still works, as far as ``me``, this process, can tell; ``alive`` is asked of other
    hosts."""
    if holder["job"] and holder["job"] == me["job"] and holder["restart"] != me["restart"]:
        return False  # this array task's attempt before
    if holder["host"] != me["host"]:
        return alive(holder)
    try:
        process = psutil.Process(holder["pid"])
        return process.create_time() == holder["born"] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def told(holder: Holder) -> str:
    """A holder in words."""
    job = f"job {holder['job']}, " if holder["job"] else ""
    return f"{job}process {holder['pid']} on {holder['host']}"
