"""What a measure says before there is a checkpoint: whether it is asked for, what it reads, what could only fail."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from conf.schema import Config, ModelConfig

Coming = Callable[[str], bool]
"""Whether a path is made by a step before this one, so that it need not be there yet."""


class Planning:
    """The hooks of a measure that know the configuration alone; each has a default."""

    name: ClassVar[str]
    """The folder of its results below eval/; where nothing else is said also the first part of its metrics."""
    prefixes: ClassVar[tuple[str, ...]] = ()
    """First parts of the values of `sweep.metric` that are its own; empty takes the name."""

    @classmethod
    def owns(cls, metric: str) -> bool:
        """Whether a value of `sweep.metric` is one of this measure's."""
        return metric.partition("/")[0] in (cls.prefixes or (cls.name,))

    @classmethod
    def asked(cls, config: Config) -> bool:
        """Whether the configuration, and what lies where it points, ask for this measure by name."""
        return False

    @classmethod
    def wanted(cls, config: Config, decoder: bool) -> bool:
        """Whether it is made of a net that is a decoder, or an encoder: without settings of its own, wherever it is
        registered. Raises UserError where it is asked for and cannot be."""
        return True

    @classmethod
    def lacking(cls, config: Config) -> str:
        """Why it is not asked for, in words: which key is empty, which file is not there."""
        return f"{cls.name} is not asked for"

    @classmethod
    def told(cls, config: Config) -> str:
        """What it measures on, in words."""
        return cls.name

    @classmethod
    def needs(cls, config: Config) -> dict[str, str]:
        """Key -> path of the files and folders that it reads."""
        return {}

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise UserError where its settings could only fail."""

    @classmethod
    def check_files(cls, config: Config, coming: Coming) -> None:
        """Raise UserError where what it reads is not there or does not do; a path that is still to be made passes."""

    @classmethod
    def read(cls, config: Config) -> None:
        """Read the inputs as they will be read, for a dry run. Raises UserError, as that will."""

    @classmethod
    def cost(cls, config: Config) -> str:
        """What it costs beyond a run of each checkpoint, in words, for a dry run; empty for nothing."""
        return ""

    @classmethod
    def check_net(cls, config: Config, net: ModelConfig) -> None:
        """Raise UserError where it could only fail on a net of the shape ``net``."""

    @classmethod
    def depends(cls, config: Config) -> dict[str, Any]:
        """What a choice by this measure depends on beside section `evaluation`: digests of settings and inputs."""
        return {}

    @classmethod
    def metric_names(cls, config: Config) -> list[str]:
        """Values that `sweep.metric` takes, as far as they are known; else a pattern."""
        return [f"{prefix}/..." for prefix in cls.prefixes or (cls.name,)]

    @classmethod
    def check_metric(cls, config: Config, metric: str) -> None:
        """Raise UserError for a value of `sweep.metric` that cannot be measured; what is not known yet may pass."""

    @classmethod
    def share(cls, config: Config, tokenizer_file: Path) -> Any:
        """What the checkpoints with one tokenizer share, of whatever runs."""
        return None
