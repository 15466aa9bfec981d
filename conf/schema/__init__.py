"""Typed schema of the configuration, one file a group; the string after a field says what the key means."""

from conf.schema.cluster import ClusterConfig, ContainerConfig
from conf.schema.data import DataConfig, PrepareConfig, TokenizerConfig
from conf.schema.fetch import FetchConfig
from conf.schema.model import DecoderConfig, EncoderConfig, LoraConfig, ModelConfig, RopeScalingConfig
from conf.schema.objective import CausalConfig, MlmConfig, ObjectiveConfig
from conf.schema.optim import OptimConfig, ScheduleConfig
from conf.schema.parallel import ParallelConfig
from conf.schema.phase import PhaseConfig
from conf.schema.probe import ProbeConfig, SweepConfig
from conf.schema.quickstart import QuickstartConfig
from conf.schema.root import Config, ExportConfig
from conf.schema.status import StatusConfig
from conf.schema.train import CheckpointConfig, TrainConfig

__all__ = [
    "CausalConfig", "ClusterConfig", "Config", "ContainerConfig", "DataConfig", "DecoderConfig", "EncoderConfig",
    "ExportConfig",
    "FetchConfig", "LoraConfig", "MlmConfig", "ModelConfig", "ObjectiveConfig", "OptimConfig", "ParallelConfig",
    "PhaseConfig",
    "PrepareConfig", "ProbeConfig", "QuickstartConfig", "RopeScalingConfig", "CheckpointConfig", "ScheduleConfig",
    "StatusConfig", "SweepConfig",
    "TokenizerConfig", "TrainConfig",
]  # fmt: skip
