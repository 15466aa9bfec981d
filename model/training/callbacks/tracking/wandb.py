"""Weights & Biases: the metrics of a run as one run there, offline by default."""

import os
from pathlib import Path

from common.progress import say
from common.remove import remove_aside, set_aside
from conf.schema.tracking import WandbConfig
from model.training.callbacks.tracking.tracker import FAILED, Tracker, identity
from model.training.run.folder import Run

OFFLINE = "offline-run-*"
"""Folders below <run>/wandb that an attempt without network writes."""


class Wandb(Tracker):
    """Writes a run of W&B with the identity of the training. Offline, the folder of an attempt holds the whole
    run from its first step, and those of earlier attempts are removed: `wandb sync` of what is there shows each step
    once."""

    def __init__(self, config: WandbConfig, run: Run, metrics: Path):
        """``config``: section `tracking.wandb`."""
        super().__init__(run, metrics)
        self.config, self.tracked = config, None

    def open(self) -> int:
        """Begin the run, or go on with it."""
        import wandb

        config, folder = self.config, self.run.folder
        earlier = sorted((folder / "wandb").glob(OFFLINE))
        # The frozen configuration is told, and neither the command line, the environment, the code nor what the job
        # prints.
        quiet = wandb.Settings(
            console="off", silent=True, disable_git=True, disable_code=True, x_disable_meta=True, x_disable_stats=True
        )
        self.tracked = wandb.init(
            dir=str(folder), id=identity(self.run), name=f"{self.run.config['name']}/{folder.name}", mode=config.mode,
            project=config.project.replace("/", "-"), entity=config.entity, tags=config.tags,
            group=self.run.config["name"], config=self.run.config,
            resume="allow" if config.mode == "online" else None, settings=quiet,
        )  # fmt: skip
        for attempt in earlier:
            if config.mode == "offline" and attempt.is_dir() and not attempt.is_symlink():
                remove_aside(set_aside(attempt))
        if config.mode == "offline":
            say(f"wandb: offline; send it later with wandb sync {os.path.relpath(Path(self.tracked.dir).parent)}")
            return -1
        return int(self.tracked.summary.get("step", -1))

    def send(self, step: int, values: dict[str, float]) -> None:
        """Log one step."""
        self.tracked.log(values, step=step)

    def finish(self) -> None:
        """Flush, and say how the attempt ended."""
        self.tracked.finish(exit_code=int(self.status == FAILED))
