"""Section `evaluation`: what `jobs.sweep` measures at every checkpoint besides retrieval.

Each measure has a schema of its own here. A further one is a field of `EvaluationConfig`, a section
`evaluation.<measure>`; the keys of the first two are those of the section itself.
"""

from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.choice import choice
from conf.schema.ranges import Count, Few, Positive, Range, Seed


@dataclass
class PerplexityConfig:
    """Perplexity on held-out text."""

    domain: dict[str, str] = field(default_factory=dict)
    """Name -> file or folder of held-out text of the domain, to see what was gained."""
    general: dict[str, str] = field(default_factory=dict)
    """Name -> file or folder of held-out general text, to see what was forgotten."""
    max_documents: Count = 0
    """Measure on at most this many documents of each text, drawn with `seed`; 0 for all."""
    context: Count = 0
    """Documents are cut into pieces of so many tokens; 0 takes `train.seq_length` of the run."""
    tokens_per_batch: Positive = 4096
    """Tokens per forward pass."""


@dataclass
class TasksConfig:
    """Tasks of lm-eval."""

    tasks: list[str] = field(default_factory=list)
    """Tasks of lm-eval, by name or as YAML files, run on the exported checkpoint."""
    task_folders: list[str] = field(default_factory=list)
    """Folders with task definitions of your own."""
    shots: Few | None = None
    """Examples shown before each question; null for as many as the task says."""
    limit: Count = 0
    """Questions of each task; 0 for all."""
    task_batch: Annotated[int, Range(1, 1_000_000)] = 8
    """Questions per forward pass."""
    task_dtype: str = choice("auto", "float32", "bfloat16")
    """Precision of the net that answers; auto for that of its files."""


@dataclass
class EvaluationConfig(TasksConfig, PerplexityConfig):
    """Perplexity on held-out text and tasks of lm-eval."""

    seed: Seed = 0
    """Seed of what is drawn."""
