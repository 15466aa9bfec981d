"""Section `tracking`: experiment trackers that get the metrics of a training beside TensorBoard."""

from dataclasses import dataclass, field

from conf.schema.choice import choice


@dataclass
class WandbConfig:
    """Weights & Biases. Its key comes from the environment (WANDB_API_KEY) or from `wandb login`, never from here."""

    enabled: bool = False
    """Write the metrics of `jobs.train` for Weights & Biases too (pip install wandb)."""
    mode: str = choice("offline", "online")
    """offline: into the run folder, for `wandb sync <run>/wandb/offline-run-*` where there is internet; online: at
    once, which compute nodes rarely can."""
    project: str = "${name}"
    """Project; a / in it becomes a dash, since the service takes none."""
    entity: str | None = None
    """User or team; null for the default of who syncs."""
    tags: list[str] = field(default_factory=list)
    """Tags of the run."""


@dataclass
class MlflowConfig:
    """MLflow. User and password come from the environment (MLFLOW_TRACKING_USERNAME, ..._PASSWORD, ..._TOKEN), never
    from here."""

    enabled: bool = False
    """Write the metrics of `jobs.train` for MLflow too (pip install mlflow)."""
    uri: str | None = None
    """Server (https://...) or store (sqlite:///file) that takes them; null: a file of the run's own, <run>/mlflow.db,
    which needs no network."""
    experiment: str = "${name}"
    """Experiment that the run belongs to."""


@dataclass
class TrackingConfig:
    """Trackers beside metrics.jsonl and TensorBoard, which are always written."""

    wandb: WandbConfig = field(default_factory=WandbConfig)
    """Weights & Biases."""
    mlflow: MlflowConfig = field(default_factory=MlflowConfig)
    """MLflow."""
