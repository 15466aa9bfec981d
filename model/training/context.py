"""The context of a training: everything that is settled before its first step."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conf.schema import Config
from model.training.checkpoints.checkpoints import Checkpoint
from model.training.data.inputs import Data
from model.training.run.folder import Run
from model.training.timeline.timeline import Branch, Timeline

if TYPE_CHECKING:
    from model.objectives.objective import Objective


@dataclass
class Training:
    """One attempt of a run, from its configuration to the checkpoint where it goes on."""

    config: Config
    """With nothing left open."""
    run: Run
    """The run folder."""
    timeline: Timeline
    """Phases, batches, learning rates, and the steps of checkpoints."""
    objective: type["Objective"]
    """What is minimised, over its kind of data."""
    data: Data
    """The planned order of each phase, and validation data."""
    latest: Checkpoint | None
    """Where it goes on; None at the start."""
    branch: Branch | None
    """The checkpoint of another run that it starts from."""
