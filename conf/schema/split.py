"""Section `split`: text to train on and text to measure with."""

from dataclasses import dataclass
from typing import Annotated

from conf.schema.ranges import Range, Seed


@dataclass
class SplitConfig:
    """How `jobs.split` holds documents out."""

    output: str = "data/${name}/split"
    """Folder; train.jsonl.zst and validation.jsonl.zst are written there."""
    validation_share: Annotated[float, Range(0, 1, above=True, below=True)] = 0.02
    """Share of the documents that are held out, chosen by a hash of their text, so that equal texts fall on the same
    side."""
    seed: Seed = 0
    """Another number holds out other documents."""
