"""The run folder: one training, one frozen configuration, any number of attempts."""

import copy
import dataclasses
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from common import manifest as manifests
from common.errors import UserError
from common.fence import Fence
from common.files import atomic_file, make_folder, nothing_left, replace_link
from common.layout import CONFIG, checkpoints_folder
from common.progress import say
from common.remove import sweep_asides
from conf.schema import Config
from conf.schema.kinds import section
from model.training.checkpoints.checkpoints import list_checkpoints, verify
from model.training.run.clear import clear
from model.training.run.config import (
    EXTENDS,
    LAYOUT,
    PHASES,
    changes,
    complete,
    freeze,
    keep_settled,
    read_config,
    show,
)


@dataclass
class Run:
    """A run folder that may not exist yet; nothing is written before `begin`."""

    folder: Path
    config: dict[str, Any]
    """What determines the training, resolved, as config.yaml holds it."""
    manifest: dict[str, Any]
    """What manifest.json holds; empty before the first attempt."""
    extended: dict[str, tuple[Any, Any]]
    """Keys of `EXTENDS` that differ from the last attempt: (old, new)."""
    relaid: dict[str, tuple[Any, Any]]
    """Keys of `LAYOUT` that differ, likewise."""
    replaced: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Keys that differ, likewise, where the folder has no checkpoint: `begin` leaves nothing there of what was
    before."""
    fence: Fence = field(init=False)
    """Keeps an earlier attempt that still lives, on a node given up for dead, from writing here."""

    begun: bool = field(init=False, default=False)
    """This attempt has begun."""

    def __post_init__(self) -> None:
        self.fence = Fence(self.folder)

    @property
    def plan(self) -> Path:
        """Folder of the planned data order."""
        return self.folder / "plan"

    @property
    def attempt(self) -> int:
        """Number of this attempt, 1 for the first; 0 before `begin`."""
        return len(self.manifest.get("attempts", []))

    def settled(self, config: Config) -> Config:
        """``config`` with what is frozen where it leaves something open: threads, precision, the shares of the
        schedule; numbers of the net to the last bit."""
        return dataclasses.replace(
            config, **{name: section(Config, name, self.config[name]) for name in ("model", "optim", "parallel")}
        )

    def check_inputs(self, inputs: dict[str, dict[str, Any]]) -> None:
        """Raise UserError when an earlier attempt read other bytes than ``inputs``: {name: {"path": ..., "digests":
        {file: sha256}}}. A run without a checkpoint begins anew with them."""
        for name, found in inputs.items():
            before = self.manifest.get("inputs", {}).get(name, found)
            for file, value in found["digests"].items():
                if before["digests"].get(file) != value:
                    key = name if name.startswith(PHASES) else f"data.{name}"
                    if is_replaceable(self.folder, self.manifest):
                        self.manifest, self.replaced = {}, {key: (before["path"], found["path"])}
                        say(
                            f"{self.folder} has no checkpoint, so it begins anew with what {found['path']} holds now"
                            f" ({key})"
                        )
                        return
                    raise UserError(
                        f"{Path(found['path']) / file} is not what the run in {self.folder} was started with ({key} was"
                        f" {before['path']}); restore it, or start another run with run=<name>"
                    )

    def claim(self) -> None:
        """Take the folder over from any other process, before anything in it is read that such a process could still
        change."""
        self.fence.claim(self.attempt + 1)

    @contextmanager
    def refusable(self) -> Iterator[ExitStack]:
        """Around a start: where it is refused, or fails, before `begin`, the folder is as it was. Yields what is
        written aside until then."""
        with nothing_left(self.folder), nothing_left(self.plan), ExitStack() as drafts:
            try:
                yield drafts
            except BaseException:
                if not self.begun:
                    self.fence.withdraw()
                raise

    def begin(self, from_step: int, ranks: int = 1, drafts: ExitStack | None = None, **fields: Any) -> None:
        """Start an attempt of ``ranks`` processes that goes on from ``from_step``: put ``drafts`` in place, write
        config.yaml, and manifest.json with ``fields``."""
        self.fence.check()
        make_folder(self.folder)
        self.begun = True
        if self.replaced:
            clear(self.folder)
        if drafts:
            drafts.close()
        for folder in (self.folder, make_folder(checkpoints_folder(self.folder))):
            sweep_asides(folder)
        attempts = [*self.manifest.get("attempts", []), _attempt(self.attempt + 1, from_step, ranks)]
        described = manifests.describe("run", name=self.config["name"], seed=self.config["seed"], **fields)
        described["created"] = self.manifest.get("created", described["created"])
        self.manifest = {**self.manifest, **described, "status": "running", "attempts": attempts}
        with atomic_file(self.folder / CONFIG, "w", encoding="utf-8") as file:
            yaml.safe_dump(self.config, file, sort_keys=False, allow_unicode=True)
        if code := os.environ.get("TERZI_SNAPSHOT"):
            replace_link(self.folder / "code", os.path.relpath(code, self.folder.resolve()))
        manifests.write(self.folder, self.manifest)

    def end(self, status: str, step: int) -> None:
        """Write into the manifest how the attempt ended: finished, interrupted or failed."""
        self.fence.check()
        self.manifest.update(status=status, step=step)
        self.manifest["attempts"][-1].update(status=status, step=step, ended=_now())
        manifests.write(self.folder, self.manifest)


def open_run(config: Config) -> Run:
    """The run of ``config``: new where its folder is, else the one that is there.

    Raises UserError with the differing keys when that one was started with another configuration, and has a checkpoint.
    """
    folder = Path(config.run_dir)
    theirs = checkpoints_folder(folder).resolve().parent
    if theirs != folder.resolve() and (theirs / CONFIG).is_file():
        raise UserError(
            f"{checkpoints_folder(folder)} is a link to the checkpoints of another run, {theirs}; remove it, or choose"
            " another"
            " run=<name>"
        )
    wanted = freeze(config)
    if not (folder / CONFIG).is_file():
        return Run(folder, wanted, {}, {}, {})
    before, anew = complete(read_config(folder)), copy.deepcopy(wanted)
    keep_settled(config, wanted, before)
    changed = changes(before, wanted)
    manifest = manifests.read(folder) if (folder / manifests.NAME).is_file() else {}
    if changed and is_replaceable(folder, manifest):
        return Run(folder, anew, {}, {}, {}, replaced=changed)
    relaid = {key: changed.pop(key) for key in LAYOUT if key in changed}
    refused = {key: pair for key, pair in changed.items() if key not in EXTENDS and not _is_ahead(key, folder)}
    if refused:
        raise UserError(
            f"{folder} holds a run with another configuration ({show(changed)}); choose another run=<name>, set these"
            " back, or remove the folder to start over"
        )
    return Run(folder, wanted, manifest, changed, relaid)


def is_replaceable(folder: Path, manifest: dict[str, Any]) -> bool:
    """Whether the run in ``folder``, with ``manifest``, has nothing that another configuration could go on from, and
    did not come to its end: it has no checkpoint, or none that is whole."""
    return manifest.get("status") != "finished" and all(
        verify(checkpoint) for checkpoint in reversed(list_checkpoints(folder))
    )


def _is_ahead(key: str, folder: Path) -> bool:
    """Whether a key describes a phase that the run in ``folder`` has not come to."""
    checkpoints = list_checkpoints(folder)
    begun = checkpoints[-1].manifest.get("phases", {}) if checkpoints else {}
    return key.startswith("phases.") and key.split(".")[1] not in begun or (key == "budget" and not begun)


def _attempt(number: int, from_step: int, ranks: int) -> dict[str, Any]:
    known = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")
    jobs: dict[str, Any] = {name.lower(): os.environ[name] for name in known if name in os.environ}
    if jobs:
        jobs["slurm_restart_count"] = int(os.environ.get("SLURM_RESTART_COUNT", 0))
    here = {"host": socket.gethostname(), "pid": os.getpid(), "ranks": ranks}
    return {"number": number, "started": _now(), **here, **jobs, "from_step": from_step}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
