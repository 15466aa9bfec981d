"""Where a training stands: what a save holds beside parameters, moments and random states."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any


@dataclass
class TrainState:
    """Counters of one run, all exact; a resumed run goes on from them."""

    step: int = 0
    """Optimizer steps made, skipped ones included."""
    samples: int = 0
    """Packs consumed: the next one is sample `samples` of the plan."""
    tokens: int = 0
    """Tokens consumed (what is in the packs, not their capacity)."""
    sources: dict[str, int] = field(default_factory=dict)
    """Tokens consumed of each source."""
    skipped: int = 0
    """Updates skipped because loss or gradient was not finite."""
    not_finite: int = 0
    """Such steps in a row, up to now."""
    lr: float = 0.0
    """Learning rate of the last update."""
    loss: float | None = None
    """Training loss of the last step where it was finite."""
    heldout_loss: float | None = None
    """Loss of the last held-out evaluation."""
    best_heldout_loss: float | None = None
    """Lowest of them."""
    seconds: float = 0.0
    """Time spent in steps, over all attempts."""

    def consume(self, source: str, samples: int, tokens: int) -> None:
        """Count one step over ``samples`` packs with ``tokens`` tokens from ``source``."""
        self.step += 1
        self.samples += samples
        self.tokens += tokens
        self.sources[source] = self.sources.get(source, 0) + tokens

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a save."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainState":
        """The inverse of `to_dict`."""
        return cls(**values)
