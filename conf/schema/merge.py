"""Section `merge`: several models into one."""

from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.choice import choice
from conf.schema.ranges import Range, SomeShare


@dataclass
class MergeConfig:
    """What `jobs.merge` makes."""

    run: str = "${run_dir}"
    """Run whose probe checkpoints are averaged; that of step 0, where there is one, is not among them."""
    checkpoints: list[str] = field(default_factory=list)
    """Folders of checkpoints, or of models in Hugging Face's format, to average instead of those of `run`, in this
    order."""
    method: str = choice("uniform", "exponential")
    """uniform: the mean; exponential: an exponential moving average along the checkpoints, the last weighing most."""
    window: list[Annotated[int, Range(2)]] = field(default_factory=list)
    """Numbers of last checkpoints to average; of several averages the one that is best by `sweep.metric` is kept.
    Empty: every number from 2 up; with `checkpoints`, all of them."""
    decay: SomeShare = 0.5
    """exponential: the weight of a checkpoint is this times that of the one after it."""
    output: str = "${run_dir}/merged"
    """Folder to write."""
    keep: bool = False
    """Keep the averages that were not chosen too, in a folder beside `output` whose name ends with .windows."""
