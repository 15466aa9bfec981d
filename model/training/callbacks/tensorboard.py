"""tb/train: the curves of the training, each step once however often the run was resumed."""

import time
from pathlib import Path

from common.disk import naming
from model.training.callbacks.callback import Callback, Record
from model.training.callbacks.events import events

TAGS = {
    "loss": "train/loss", "accuracy": "train/accuracy", "lr": "train/lr", "grad_norm": "train/grad_norm", "batch": "train/batch",
    "tokens": "train/tokens", "tokens_per_second": "speed/tokens_per_second", "mfu": "speed/mfu",
    "validation_loss": "validation/loss", "validation_accuracy": "validation/accuracy",
}  # fmt: skip


GROUPS = {"loss_by_source": "train/loss", "validation_losses": "validation/loss"}
"""Several values by name -> what stands before each name."""


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

    def step(self, loop, record: Record) -> None:
        """Write what is known of this step, if it is due."""
        step = record["step"]
        if "validation_loss" in record or (step and (step % self.every_steps == 0 or step == loop.total)):
            known = {tag: record[name] for name, tag in TAGS.items() if record.get(name) is not None}
            known |= {
                f"{tag}/{name}": value for group, tag in GROUPS.items() for name, value in record.get(group, {}).items()
            }
            with naming(self.folder):
                for tag, value in known.items():
                    self.writer.add_scalar(tag, value, step)

    def close(self) -> None:
        """Flush and close."""
        if self.writer:
            self.opened.__exit__(None, None, None)
