"""tb/train: the curves of the training, each step once however often the run was resumed."""

import time
from pathlib import Path

from common.disk import naming
from model.training.callbacks.callback import Callback
from model.training.callbacks.events import events
from model.training.callbacks.step_record import StepRecord


class TensorBoard(Callback):
    """Writes scalars at the training step. A resumed run purges what an earlier attempt wrote of steps that are made
    again."""

    def __init__(self, folder: str | Path, every_steps: int):
        """``folder``: tb/train of the run."""
        self.folder, self.every_steps, self.writer = Path(folder), max(1, every_steps), None

    def start(self, loop) -> None:
        """Open an event file of this attempt; its first event says from which step on older ones are void."""
        # Readers take event files in the order of their names, which begin with the second of their making.
        while any(f".tfevents.{int(time.time()):010d}." in file.name for file in self.folder.glob("events.*")):
            time.sleep(0.05)
        self.opened = events(self.folder, purge_step=loop.state.step + 1 if loop.resumed else 0, flush_secs=30)
        self.writer = self.opened.__enter__()

    def step(self, loop, record: StepRecord) -> None:
        """Write the metrics of this step, if it is due."""
        if record.is_due(self.every_steps, loop.total):
            with naming(self.folder):
                for tag, value in record.metrics.items():
                    if value is not None:
                        self.writer.add_scalar(tag, value, record.step)

    def close(self) -> None:
        """Flush and close."""
        if self.writer:
            self.opened.__exit__(None, None, None)
