"""The objectives there are: section `objective` of the configuration -> the class that minimises it."""

import importlib
from typing import TYPE_CHECKING

from conf.schema.objective import CausalConfig, MlmConfig, ObjectiveConfig

if TYPE_CHECKING:
    from model.objectives.objective import Objective

OBJECTIVES: dict[type[ObjectiveConfig], str] = {
    MlmConfig: "model.objectives.mlm:Mlm",
    CausalConfig: "model.objectives.causal:Causal",
}
"""Schema -> module and class, imported when it is asked for."""


def objective_class(config: ObjectiveConfig) -> "type[Objective]":
    """The class for section `objective`."""
    module, _, name = OBJECTIVES[type(config)].partition(":")
    return getattr(importlib.import_module(module), name)
