"""Typed schema of the configuration, one file a group; the string after a field says what the key means."""

from conf.schema.cluster import ClusterConfig, ContainerConfig
from conf.schema.data import DataConfig, PrepareConfig, TokenizerConfig
from conf.schema.fetch import FetchConfig
from conf.schema.model import EncoderConfig
from conf.schema.objective import MlmConfig
from conf.schema.optim import OptimConfig, ScheduleConfig
from conf.schema.parallel import ParallelConfig
from conf.schema.probe import ProbeConfig, SweepConfig
from conf.schema.quickstart import QuickstartConfig
from conf.schema.root import Config, ExportConfig
from conf.schema.status import StatusConfig
from conf.schema.train import SaveConfig, TrainConfig

__all__ = [
    "ClusterConfig", "Config", "ContainerConfig", "DataConfig", "EncoderConfig", "ExportConfig", "FetchConfig", "MlmConfig", "OptimConfig",
    "ParallelConfig", "PrepareConfig", "ProbeConfig", "QuickstartConfig", "SaveConfig", "ScheduleConfig", "StatusConfig", "SweepConfig",
    "TokenizerConfig", "TrainConfig",
]  # fmt: skip
