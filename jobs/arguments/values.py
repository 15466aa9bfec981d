"""The values of a composed configuration, one by one: what types of lists do not hold, the home folder, and text that
is not there."""

import dataclasses
import os
import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from common.errors import UserError
from jobs.arguments.types import bare, mistaken

UNSET = re.compile(r"missing-set-(\w+)")
"""What a YAML under conf/ has for a folder that an environment variable names, where that is not set: not every job
reads it."""


def settle(config: Any) -> None:
    """Write ``~`` of paths out, as no shell does it behind ``=``. Raises UserError for a list or mapping of texts that
    holds others."""
    for owner, field, key in fields(config):
        value = getattr(owner, field.name)
        setattr(owner, field.name, _at_home(value))
        kind = bare(field.type)
        if get_origin(kind) in (list, dict) and bare(get_args(kind)[-1]) is str:
            inner = value.values() if isinstance(value, dict) else value or ()
            if any(isinstance(one, list | dict) for one in inner):
                raise UserError(mistaken(key, value))


def fields(config: Any, prefix: str = "") -> Iterator[tuple[Any, dataclasses.Field, str]]:
    """(section, field, dotted key) of every key of a configuration that is no section itself."""
    for field in dataclasses.fields(config):
        key, value = prefix + field.name, getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from fields(value, f"{key}.")
            continue
        named = value if isinstance(value, dict) else {}
        sections = {name: one for name, one in named.items() if dataclasses.is_dataclass(one)}
        for name, one in sections.items():
            yield from fields(one, f"{key}.{name}.")
        if not sections:
            yield config, field, key


def _at_home(value: Any) -> Any:
    if isinstance(value, list):
        return [_at_home(one) for one in value]
    if isinstance(value, dict):
        return {name: _at_home(one) for name, one in value.items()}
    return os.path.expanduser(value) if isinstance(value, str) and re.match(r"~[\w.-]*/", value) else value
