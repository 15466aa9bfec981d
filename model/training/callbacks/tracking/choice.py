"""The trackers that a configuration asks for."""

from common.layout import METRICS
from conf.schema import Config
from model.training.callbacks.callback import Callback
from model.training.run.folder import Run


def trackers(config: Config, run: Run) -> list[Callback]:
    """The trackers that the configuration asks for; the package of no other one is imported."""
    metrics, wanted = run.folder / METRICS, []
    if config.tracking.wandb.enabled:
        from model.training.callbacks.tracking.wandb import Wandb

        wanted.append(Wandb(config.tracking.wandb, run, metrics))
    if config.tracking.mlflow.enabled:
        from model.training.callbacks.tracking.mlflow import Mlflow

        wanted.append(Mlflow(config.tracking.mlflow, run, metrics))
    return wanted
