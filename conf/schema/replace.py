"""A configuration with one key changed."""

import dataclasses
from typing import Any


def with_value(config: Any, key: str, value: Any) -> Any:
    """A copy of ``config`` with the dotted ``key`` set to ``value``."""
    head, _, rest = key.partition(".")
    return dataclasses.replace(config, **{head: with_value(getattr(config, head), rest, value) if rest else value})
