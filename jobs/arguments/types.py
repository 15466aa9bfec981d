"""What a key of the schema takes, and a value of another type bent to it: the mend that a message names."""

import dataclasses
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePath
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from conf.schema import Config
from conf.schema.kinds import kinds
from conf.schema.ranges import limits_at
from jobs.arguments.text import argument, for_shell, literal, shown

SHORT_NUMBER = re.compile(r"([\d_.]+)\s*([kmbgt])", re.IGNORECASE)
FACTORS = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
MOST = 6
"""Keys of a section that a message names."""
NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "one text", list: "a list"}


def type_at(key: str, schema: type = Config) -> Any:
    """Type of a dotted key, without `Annotated` and without None; None where it is no key, or one whose type is
    open."""
    found: tuple[Any, ...] = (schema,)
    for part in re.sub(r"\[\d+\]", "", key).split("."):
        found = tuple(one for kind in found for one in _below(kind, part))
    return found[0] if found else None


def _below(kind: Any, part: str) -> Iterator[Any]:
    if dataclasses.is_dataclass(kind):
        yield from (
            bare(one)
            for field in dataclasses.fields(kind)
            if field.name == part
            for one in kinds(field) or (field.type,)
        )
    elif get_origin(kind) is dict:
        yield bare(get_args(kind)[1])
    elif get_origin(kind) is list:
        yield from _below(bare(get_args(kind)[0]), part)


def bare(kind: Any) -> Any:
    """A type without `Annotated` and None; of several (a number or auto) the first."""
    if get_origin(kind) is Annotated:
        return bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return bare(next(one for one in get_args(kind) if one is not type(None)))
    return None if kind is Any else kind


def expected(kind: Any) -> str:
    """What a type takes, in words."""
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
        return f"a section with the keys {', '.join(names[:MOST])}{', ...' if len(names) > MOST else ''}"
    if get_origin(kind) is dict:
        return (
            "names, each with a section of keys"
            if dataclasses.is_dataclass(bare(get_args(kind)[1]))
            else "names, each with a value"
        )
    return NAMES.get(get_origin(kind) or kind, "another value")


def _expected_at(key: str) -> str:
    """What a key takes, with the range of its numbers."""
    kind, limits = type_at(key), limits_at(Config, key)
    if limits and get_origin(kind) in (list, dict):
        return f"{expected(kind)}, each {limits}"
    return str(limits or expected(kind))


def mistaken(key: str, value: Any, in_file: bool = False) -> str:
    """The sentence for a value that ``key`` does not take; ``in_file``: of a YAML."""
    key, value = _culprit(re.sub(r"\[\d+\]$", "", key), value)
    write = _in_yaml(key, value) if in_file else mend(key, value)
    return f"{key} takes {_expected_at(key)}, and not {shown(_told(value))}; write {write}"


def _culprit(key: str, value: Any) -> tuple[str, Any]:
    """Within sections and named values the first that is of another kind than its key."""
    if not isinstance(value, dict) or not _holds(type_at(key)):
        return key, value
    for name, one in value.items():
        inner = type_at(f"{key}.{name}")
        if (_holds(inner) or isinstance(one, dict | list)) and _culprit(f"{key}.{name}", one) != (key, value):
            return _culprit(f"{key}.{name}", one)
    return key, value


def _holds(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind) or get_origin(kind) is dict


def _told(value: Any) -> str:
    return "nothing" if value in ("", None) else f"'{value}'" if isinstance(value, str) else literal(value)


def mend(key: str, value: Any) -> str:
    """The arguments that a person most likely meant, as they are typed."""
    return " ".join(for_shell(argument(*pair)) for pair in bent(key, value))


def _in_yaml(key: str, value: Any) -> str:
    """The same as a line of YAML, with sections below the key in braces."""
    inner = {}
    for dotted, one in bent(key, value):
        names = dotted.removeprefix(key).strip(".").split(".")
        for name in reversed([name for name in names if name]):
            one = {name: one}
        inner = inner | one if isinstance(one, dict) else one
    return f"{key.rpartition('.')[2]}: {literal(inner, inner=True)}"


def bent(key: str, value: Any) -> list[tuple[str, Any]]:
    """(key, value) pairs with ``value`` as the types of the schema have it."""
    kind = type_at(key)
    if dataclasses.is_dataclass(kind):
        return _section(key, kind, value)
    if get_origin(kind) is dict:
        named = value if isinstance(value, dict) else {_name(one): one for one in _items(value)} or {"name": ""}
        return [pair for name, one in named.items() for pair in _entry(f"{key}.{name}", one)]
    if get_origin(kind) is list:
        inner = bare(get_args(kind)[0])
        items = [one for item in _items(value) for one in _items(item)]
        return [(key, [_scalar(inner, one, None) for one in items if inner is str or _number(str(one)) is not None])]
    return [
        (
            key,
            _scalar(
                kind, next(iter(_items(value)), "") if not isinstance(value, dict) else literal(value), default(key)
            ),
        )
    ]


def _entry(key: str, value: Any) -> list[tuple[str, Any]]:
    kind = type_at(key)
    if dataclasses.is_dataclass(kind):
        return _section(key, kind, value)
    if kind is None:
        return [(key, {})]
    value = next(iter(_items(value)), "") if isinstance(value, list) else value
    return [(key, _scalar(kind, "" if value == key.rpartition(".")[2] and kind is not str else value, 1.0))]


def _section(key: str, kind: type, value: Any) -> list[tuple[str, Any]]:
    """A value given to a whole section goes to the key below it that it can be meant for, else the first one shows how
    it is done."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if isinstance(value, dict):
        return [pair for name, one in value.items() for pair in bent(f"{key}.{name}", one)]
    takes = [name for name, field in fields.items() if value in field.metadata.get("choices", ())]
    if takes or "inputs" in fields:
        name = next(iter(takes), "inputs")
        return bent(f"{key}.{name}", value)
    name, field = next((name, one) for name, one in fields.items() if bare(one.type) in (int, float, str, bool))
    return [(f"{key}.{name}", _scalar(bare(field.type), value, field.default))]


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else [] if value in ("", None) else [value]


def _name(value: Any) -> str:
    """A name for what had none: the last part of a path."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", PurePath(str(value)).stem).strip("_") or "mine"


def _scalar(kind: Any, value: Any, standard: Any) -> Any:
    if kind in (int, float):
        number = _number(str(value))
        number = standard if number is None else number
        return number if kind is float or not isinstance(number, float) else round(number)
    if kind is bool:
        return True
    return (
        literal(value)
        if isinstance(value, list | dict)
        else str(value)
        if value not in ("", None)
        else (standard or "mine")
    )


def _number(text: str) -> float | None:
    """A number as people write them, 10k, 1,5 and 20% included."""
    if found := SHORT_NUMBER.fullmatch(text.strip()):
        text = str(float(found[1]) * FACTORS[found[2].lower()])
    if (whole := text.strip().removesuffix("%")) != text.strip() and (share := _number(whole)) is not None:
        return share / 100
    with suppress(ValueError):
        number = float(text.replace(",", ".").strip())
        return number if math.isfinite(number) else None
    return None


def default(key: str) -> Any:
    """What the schema gives a key, where that is a plain value; for a number without one 1."""
    value: Any = Config()
    for part in key.split("."):
        value = getattr(value, part, None)
    if isinstance(value, str) and "${" in value:
        return None
    return 1 if value is None and type_at(key) in (int, float) else value
