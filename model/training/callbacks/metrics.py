"""metrics.jsonl: one line a logged step."""

import json
from pathlib import Path

from common.disk import naming
from common.files import atomic_file
from model.training.callbacks.callback import Callback, Record

FIELDS = (
    "step", "phase", "tokens", "samples", "epoch", "loss", "accuracy", "lr", "grad_norm", "batch", "skipped", "seconds",
    "tokens_per_second", "mfu",
    "loss_by_source", "validation_loss", "validation_accuracy", "validation_losses",
)  # fmt: skip


class Metrics(Callback):
    """Appends a line every so many steps, at the last one, and wherever held-out loss was measured."""

    def __init__(self, file: str | Path, every_steps: int):
        """``file``: metrics.jsonl of the run."""
        self.file, self.every_steps, self.stream = Path(file), max(1, every_steps), None

    def start(self, loop) -> None:
        """Cut the lines of steps that will be made again."""
        cut_after(self.file, loop.state.step if loop.resumed else -1)
        self.stream = self.file.open("a", encoding="utf-8")

    def step(self, loop, record: Record) -> None:
        """Write the line of this step, if it is due."""
        step = record["step"]
        if "validation_loss" in record or (step and (step % self.every_steps == 0 or step == loop.total)):
            line = {name: record[name] for name in FIELDS if name in record}
            with naming(self.file):
                self.stream.write(json.dumps(line, allow_nan=False) + "\n")
                self.stream.flush()

    def close(self) -> None:
        """Close the file."""
        if self.stream:
            with naming(self.file):
                self.stream.close()


def cut_after(file: str | Path, step: int) -> None:
    """Keep the lines of ``file`` up to ``step``, atomically; a last line that a crash left half-written goes too."""
    file = Path(file)
    if not file.is_file():
        return
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    if kept != lines:
        with atomic_file(file, "w", encoding="utf-8") as stream:
            stream.writelines(kept)
