"""Inputs and array tasks as several records state them: key of the configuration -> path that must be there."""

import dataclasses
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.layout import TOKENIZER
from conf.schema import Config


def paths(key: str, given: list[str]) -> dict[str, str]:
    """Inputs that are one file or folder each; globs and data sets of the hub are looked up by the job itself."""
    return {
        f"{key}[{number}]": path
        for number, path in enumerate(given)
        if not any(sign in path for sign in "*?[") and not path.startswith("hub:")
    }


def text(config: Config) -> dict[str, str]:
    """The text of most jobs."""
    return paths("data.inputs", config.data.inputs)


def tokenizer(config: Config) -> dict[str, str]:
    """A tokenizer that has been made."""
    return {"data.tokenizer": str(Path(config.data.tokenizer) / TOKENIZER)}


def tokens(folder: str | Path) -> str:
    """The file that a folder of prepared tokens has once it is whole."""
    return str(Path(folder) / manifests.NAME)


def measured(config: Config) -> dict[str, str]:
    """What the measures of checkpoints read."""
    from model.evaluation.registry import needs

    return needs(config)


def array_tasks(config: Config, section: str, **keys: Any) -> list[Config]:
    """The configuration of each array task; ``keys`` are set in its section too."""
    own = getattr(config, section)
    return [
        dataclasses.replace(config, **{section: dataclasses.replace(own, array_task=number, **keys)})
        for number in range(keys.get("array_size", own.array_size))
    ]
