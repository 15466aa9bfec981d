"""metrics.jsonl: one line a logged step."""

import json
from pathlib import Path

from common.disk import naming
from common.files import atomic_file
from model.training.callbacks.callback import Callback
from model.training.callbacks.step_record import StepRecord


class Metrics(Callback):
    """Appends a line every so many steps, at the last one, and wherever held-out loss was measured."""

    def __init__(self, file: str | Path, every_steps: int):
        """``file``: metrics.jsonl of the run."""
        self.file, self.every_steps, self.stream = Path(file), max(1, every_steps), None

    def start(self, loop) -> None:
        """Cut the lines of steps that will be made again."""
        cut_after(self.file, loop.state.step if loop.resumed else -1)
        self.stream = self.file.open("a", encoding="utf-8")

    def step(self, loop, record: StepRecord) -> None:
        """Write the line of this step, if it is due."""
        if record.is_due(self.every_steps, loop.total):
            with naming(self.file):
                self.stream.write(json.dumps(record.line(), allow_nan=False) + "\n")
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
