"""YAML that another may have written: the frozen configuration in a run folder."""

from pathlib import Path
from typing import Any

import yaml

from common.errors import UserError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LARGEST, DEEPEST, MOST = 10_000_000, 100, 1_000_000
"""Bytes of a file, levels of its nesting, and values in it with aliases written out, of which it has few bytes."""


def read_yaml(file: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file, plain values alone. Raises UserError where it cannot be read, or is larger than a
    configuration is."""
    try:
        if Path(file).stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        text = Path(file).read_text(encoding="utf-8")
        _check_depth(text)
        value = yaml.load(text, LOADER)  # noqa: S506 (LOADER is a safe one)
        if not isinstance(value, dict):
            raise ValueError("it is no mapping")
        if _written_out(value, {}) > MOST:
            raise ValueError(f"its aliases stand for more than {MOST} values")
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(
            f"cannot read {file} ({str(error).splitlines()[0]}); restore it, or name another run"
        ) from error
    return value


def _check_depth(text: str) -> None:
    """Raise ValueError for what libyaml, which recurses without a limit, would break at."""
    depth = 0
    for event in yaml.parse(text, LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")


def _written_out(value: Any, sizes: dict[int, float]) -> float:
    """Count how many values there are with aliases written out; infinitely many in one that holds itself."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in sizes:
        sizes[id(value)] = float("inf")
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        sizes[id(value)] = 1 + sum(_written_out(part, sizes) for part in parts)
    return sizes[id(value)]
