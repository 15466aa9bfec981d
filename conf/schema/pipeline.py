"""Section `pipeline`: jobs one after the other."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class StepConfig:
    """One step of a pipeline."""

    job: str = ""
    """The job: the part after `jobs.` on its command line."""
    set: dict[str, Any] = field(default_factory=dict)
    """Dotted key -> value, where this step differs from the rest of the configuration. Section `phases` is replaced
    whole."""


@dataclass
class PipelineConfig:
    """What `jobs.pipeline` runs."""

    steps: list[StepConfig] = field(default_factory=list)
    """Steps in their order; empty: from text to the export of one model (corpus, tokenizer, prepare, train, sweep,
    export)."""
