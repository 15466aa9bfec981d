"""What types cannot say: closed sets of values, ranges of numbers."""

import dataclasses
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from common.errors import UserError, suggestion
from common.screen import masked
from conf.schema.kinds import kinds
from conf.schema.ranges import AUTO, limits, numbers

FOLDERS = ("name", "run")
"""Keys whose values become folders below data/ and `runs_dir`."""


def keys(schema: type, prefix: str = "") -> Iterator[str]:
    """Every dotted key of a schema, sections included."""
    for field in dataclasses.fields(schema):
        yield prefix + field.name
        of_kinds = [key for kind in kinds(field) for key in keys(kind, f"{prefix}{field.name}.")]
        yield from dict.fromkeys(of_kinds)


def check(config: Any, prefix: str = "") -> None:
    """Raise UserError naming the first key whose value cannot be meant."""
    for field in dataclasses.fields(config):
        key, value = prefix + field.name, getattr(config, field.name)
        _refuse_passwords(key, value)
        if key in FOLDERS:
            _refuse_outside(key, value)
        if dataclasses.is_dataclass(value):
            check(value, f"{key}.")
            continue
        if isinstance(value, dict):
            for name, one in value.items():
                if dataclasses.is_dataclass(one):
                    check(one, f"{key}.{name}.")
        choices = field.metadata.get("choices")
        if choices and value not in choices:
            raise UserError(f"{key}={value} is unknown; it takes {', '.join(choices)}{suggestion(str(value), choices)}")
        if (known := limits(field.type)) is None:
            continue
        if isinstance(value, str) and value != AUTO:
            raise known.mistaken(key, value)
        for name, number in numbers(key, value):
            known.check(name, number)
    _refuse_absent_array_task(config, prefix)


def _refuse_absent_array_task(section: Any, prefix: str) -> None:
    """Array tasks of a job are counted from 0, and there are as many as the section says."""
    array_task, count = getattr(section, "array_task", None), getattr(section, "array_size", None)
    if array_task is not None and count is not None and array_task >= count:
        last = f"0 to {count - 1}" if count > 1 else "0 alone"
        raise UserError(
            f"{prefix}array_task={array_task}: with {prefix}array_size={count} there is {last}; array tasks are counted"
            " from 0"
        )


def _refuse_outside(key: str, value: str) -> None:
    """What is made under a name lies where names lie, and under no folder of others."""
    if PurePath(value).is_absolute() or ".." in PurePath(value).parts:
        raise UserError(
            f"{key}={value} becomes a folder below data/ and runs_dir, and would lead out of them; give a name without"
            " .. and without / at its beginning"
        )


def _refuse_passwords(key: str, value: Any) -> None:
    """Configurations are frozen beside runs, where others read them, so that no URL in them may hold a password."""
    if isinstance(value, str) and masked(value) != value:
        raise UserError(
            f"{key} has a password or key in a URL, which would go to disk; put it into an environment variable or a"
            " file"
        )
    if isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            _refuse_passwords(key, one)
