"""What one step was: facts for callbacks, and its metrics by name, for every writer of them."""

import math
from dataclasses import dataclass, field
from typing import Any

TRAIN, SPEED, VALIDATION = "train", "speed", "validation"
"""What names begin with; the groups on TensorBoard."""
PLAIN = (TRAIN, SPEED)
"""Groups that metrics.jsonl does not name: its `loss` is train/loss, its `validation_loss` validation/loss."""


@dataclass
class StepRecord:
    """A step, or the moment before the first one (step 0). ``record(name, value)`` adds a metric, and later ones may
    read it: it stands under its name on TensorBoard, and in metrics.jsonl under the key that `line` makes of it."""

    step: int
    phase: str = ""
    """Empty for a run without section `phases`."""
    samples: int = 0
    """Samples of the run by now."""
    batch: int = 0
    """Those of this step."""
    tokens: int = 0
    """Tokens of this step."""
    count: int = 0
    """What the loss of this step was taken over, in the objective's unit."""
    flops: int = 0
    seconds: float = 0.0
    skipped: bool = False
    """The update was skipped, since loss or gradient was not finite."""
    metrics: dict[str, float | bool | None] = field(default_factory=dict)
    """By name; None where the value was not finite."""

    def __call__(self, name: str, value: float | bool | None) -> None:
        """Record ``value`` under ``name``: <group>/<metric>, or <group>/<metric>/<of what>."""
        self.metrics[name] = None if isinstance(value, float) and not math.isfinite(value) else value

    def is_validated(self) -> bool:
        """Whether a loss on validation data was measured after this step."""
        return f"{VALIDATION}/loss" in self.metrics

    def is_due(self, every_steps: int, total: int) -> bool:
        """Whether this step is written by who writes every so many, the last of ``total``, and those with a
        validation."""
        return self.is_validated() or bool(self.step and (self.step % every_steps == 0 or self.step == total))

    def line(self) -> dict[str, Any]:
        """Its line in metrics.jsonl: train/loss is `loss`, speed/mfu `mfu`, validation/loss `validation_loss`, and a
        name of three parts, such as train/loss_by_source/web, an entry of a dictionary, `loss_by_source`."""
        line: dict[str, Any] = {"step": self.step, **({"phase": self.phase} if self.phase else {})}
        for name, value in self.metrics.items():
            group, metric, *of = name.split("/", 2)
            key = metric if group in PLAIN else f"{group}_{metric}"
            if of:
                line.setdefault(key, {})[of[0]] = value
            else:
                line[key] = value
        return line
