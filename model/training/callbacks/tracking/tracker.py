"""Experiment trackers (W&B, MLflow): they are sent the lines of metrics.jsonl, and hold what that file holds."""

import hashlib
import importlib.util
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.progress import say
from conf.schema import Config
from model.training.callbacks.callback import Callback
from model.training.callbacks.step_record import StepRecord
from model.training.run.folder import Run

PACKAGES = ("wandb", "mlflow")
"""Trackers by their key of section `tracking`, which is the name of their package."""
FINISHED, INTERRUPTED, FAILED = "finished", "interrupted", "failed"
"""How an attempt ends."""


class Tracker(Callback):
    """Sends every line of metrics.jsonl to a tracker, each step once. It comes after the callback that writes that
    file.

    A run is one run of the tracker over all its attempts (`identity`). Steps that a resumed attempt makes again are
    those that the tracker has got, so they are not sent twice; lines that an attempt wrote and could not send are sent
    by the next one. A tracker that fails costs a warning and never the training: it is tried again after a while, from
    the line where it failed.
    """

    PAUSE = 300.0
    """Seconds after a failure until the tracker is tried again."""

    def __init__(self, run: Run, metrics: Path):
        """``metrics``: metrics.jsonl of ``run``."""
        self.run, self.metrics = run, metrics
        self.position, self.last_step, self.is_open, self.status = 0, -1, False, FAILED
        self.begun, self.paused_until = False, 0.0

    def start(self, loop) -> None:
        """Open the tracker, and send what it lacks."""
        self.begun = True
        self._tried(self._send_new_lines)

    def step(self, loop, record: StepRecord) -> None:
        """Send what was written of this step."""
        self._tried(self._send_new_lines)

    def end(self, loop) -> None:
        """The attempt has come to its end without an error."""
        self.status = FINISHED if loop.state.step >= loop.total else INTERRUPTED

    def close(self) -> None:
        """Send what is left, and leave."""
        if not self.begun:
            return
        self.begun, self.paused_until = False, 0.0
        self._tried(self._send_new_lines)
        if self.is_open:
            self.is_open = False
            self._tried(self.finish)

    def open(self) -> int:
        """Create the run at the tracker or find it there again; returns the last step that it has, -1 for none."""
        raise NotImplementedError

    def send(self, step: int, values: dict[str, float]) -> None:
        """Send the scalars of one step."""
        raise NotImplementedError

    def finish(self) -> None:
        """Flush and leave; `status` says how the attempt ended."""
        raise NotImplementedError

    def _tried(self, action: Callable[[], None]) -> None:
        """Run ``action``; where it fails, say so and pause."""
        if time.monotonic() < self.paused_until:
            return
        try:
            action()
        except (
            Exception
        ) as error:  # whatever a library of others raises: the training goes on, and metrics.jsonl has it all
            name, reason = type(self).__name__, (str(error).splitlines() or [type(error).__name__])[0]
            say(f"warning: {name} took nothing ({reason}); {self.metrics} has all; next try in {self.PAUSE:.0f} s")
            self.paused_until = time.monotonic() + self.PAUSE

    def _send_new_lines(self) -> None:
        """Send the whole lines of metrics.jsonl that came since the last call."""
        if not self.is_open:
            self.last_step = self.open()
            self.is_open = True
        with self.metrics.open("rb") as stream:
            stream.seek(self.position)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                values = json.loads(line)
                if values["step"] > self.last_step:
                    self.send(values["step"], dict(scalars(values)))
                    self.last_step = values["step"]
                self.position += len(line)


def scalars(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """(name, number) of every number in a line of metrics.jsonl; of those by source or text, group/name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield prefix + name, value


def identity(run: Run) -> str:
    """What a tracker knows ``run`` by: equal in all its attempts, another where the run begins anew."""
    made = (run.manifest["created"], run.config["name"], run.folder.name)
    return hashlib.sha256("\n".join(made).encode()).hexdigest()[:16]


def check_tracking(config: Config) -> None:
    """Raise UserError where a tracker is asked for whose package is not installed; imports none of them. What a
    container holds is asked inside it."""
    if config.cluster.container.kind != "none" and "TERZI_SNAPSHOT" not in os.environ:
        return
    for name in PACKAGES:
        if getattr(config.tracking, name).enabled and importlib.util.find_spec(name) is None:
            raise UserError(
                f"tracking.{name}.enabled=true needs the package {name}, which is not installed; pip install {name}, or"
                " set it to false"
            )
