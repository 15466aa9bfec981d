"""Section `hardware`: the machine that `plan=true` plans for."""

from dataclasses import dataclass
from typing import Annotated

from conf.schema.ranges import Range


@dataclass
class HardwareConfig:
    """GPUs of one kind."""

    gpu: str = "H100-64GB"
    """Kind of GPU; a wrong name shows those that are known. An MI250X counts as its two dies."""
    gpus: Annotated[int, Range(0, 1_000_000)] = 0
    """How many; 0 takes cluster.nodes x cluster.gpus_per_node."""
    gpus_per_node: Annotated[int, Range(1, 10_000)] = 4
    """GPUs that share a fast link."""
