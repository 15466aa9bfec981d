"""Where a training stands: what a checkpoint holds beside parameters, moments and random states."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any


@dataclass
class PhaseState:
    """What one phase has consumed."""

    samples: int = 0
    """Packs: the next one is sample `samples` of the phase's plan."""
    sources: dict[str, int] = field(default_factory=dict)
    """Tokens of each source."""

    @property
    def tokens(self) -> int:
        """Tokens of all sources."""
        return sum(self.sources.values())


@dataclass
class TrainState:
    """Counters of one run, all exact; a resumed run goes on from them."""

    step: int = 0
    """Optimizer steps made, skipped ones included."""
    samples: int = 0
    """Packs consumed, over all phases."""
    tokens: int = 0
    """Tokens consumed (what is in the packs, not their capacity)."""
    sources: dict[str, int] = field(default_factory=dict)
    """Tokens consumed of each source."""
    phases: dict[str, PhaseState] = field(default_factory=dict)
    """What each phase begun so far has consumed."""
    skipped: int = 0
    """Updates skipped because loss or gradient was not finite."""
    not_finite: int = 0
    """Such steps in a row, up to now."""
    lr: float = 0.0
    """Learning rate of the last update."""
    loss: float | None = None
    """Training loss of the last step where it was finite."""
    validation_loss: float | None = None
    """Loss of the last held-out evaluation."""
    seconds: float = 0.0
    """Time spent in steps, over all attempts."""

    def consume(self, phase: str, samples: int, sources: dict[str, int]) -> None:
        """Count one step of ``phase`` over ``samples`` packs with so many tokens of each of its ``sources``."""
        self.step += 1
        self.samples += samples
        self.tokens += sum(sources.values())
        here = self.phases.setdefault(phase, PhaseState())
        here.samples += samples
        for counts in (self.sources, here.sources):
            for source, tokens in sources.items():
                counts[source] = counts.get(source, 0) + tokens

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainState":
        """The inverse of `to_dict`."""
        phases = {name: PhaseState(**phase) for name, phase in values.get("phases", {}).items()}
        return cls(**{**values, "phases": phases})
