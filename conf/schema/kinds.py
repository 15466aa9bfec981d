"""Sections that may be of several kinds: `model` is an encoder or a decoder, `objective` mlm or causal.

The field of such a section names its kinds in its metadata; the first field of a kind is a choice, and its value tells
which kind it is."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf

from common.errors import UserError, suggestion


def kinds(field: dataclasses.Field) -> tuple[type, ...]:
    """The schemas that a section may have; none for a plain key."""
    own = (field.type,) if dataclasses.is_dataclass(field.type) else ()
    return field.metadata.get("kinds", own)


def names(kind: type) -> tuple[str, ...]:
    """Values of the first field that stand for ``kind``."""
    return dataclasses.fields(kind)[0].metadata["choices"]


def label(kind: type) -> str:
    """What a kind is called: encoder, decoder, mlm, causal."""
    return kind.__name__.removesuffix("Config").lower()


def schema(config: type) -> DictConfig:
    """``config`` as Hydra's schema, with the sections of several kinds still open: the YAML of a group says which it
    is."""
    found = OmegaConf.structured(config)
    for field in dataclasses.fields(config):
        if "kinds" in field.metadata:
            found[field.name] = MISSING
    return found


def opened(name: str, base: type, schemas: tuple[type, ...], first: Any = None, module: str = __name__) -> type:
    """A schema with the keys of all of ``schemas``, each null until it is given; ``first`` is its choice of kind, if it
    is one."""
    found: dict[str, tuple[Any, Any]] = {}
    for schema in schemas:
        for field in dataclasses.fields(schema)[1 if first else 0 :]:
            if dataclasses.is_dataclass(field.type):
                inner = opened(f"{name}{field.type.__name__}", object, (field.type,))
                found[field.name] = inner, dataclasses.field(default_factory=inner)
            else:
                found[field.name] = field.type | None, dataclasses.field(default=None)
    keys = [(dataclasses.fields(schemas[0])[0].name, str, first)] if first else []
    made = dataclasses.make_dataclass(name, [*keys, *((key, *pair) for key, pair in found.items())], bases=(base,))
    made.__module__ = module
    return made


def stored(config: type) -> Iterator[tuple[str, str, type]]:
    """(section, name, schema) of every kind, for Hydra's store: a YAML takes its own by ``defaults:
    [/kind/<section>/<name>@_here_]``."""
    for field in dataclasses.fields(config):
        for kind in (*field.metadata.get("kinds", ()), *([field.metadata["open"]] if "open" in field.metadata else [])):
            yield field.name, label(kind), kind


def typed(config: type, values: Any) -> Any:
    """A ``config`` object of plain ``values`` (nested dictionaries), each section of the kind that its values name."""
    refuse_interpolations(values, config.__name__)
    chosen = {
        field.name: kind_of(field, values[field.name])()
        for field in dataclasses.fields(config)
        if "kinds" in field.metadata
    }
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config(**chosen)), values))


def section(config: type, name: str, values: dict[str, Any]) -> Any:
    """The section ``name`` of ``config`` as a typed object of its plain ``values``."""
    refuse_interpolations(values, name)
    field = next(field for field in dataclasses.fields(config) if field.name == name)
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(kind_of(field, values)), values))


def refuse_interpolations(values: Any, key: str) -> None:
    """Raise UserError where frozen ``values``, which have none left, hold an interpolation: another's file would read
    our environment (`${oc.env:...}`) into what is then printed or written."""
    if isinstance(values, str) and "${" in values:
        raise UserError(
            f"{key} of a frozen configuration has an interpolation ({values[:60]!r}), which no job has written there; "
            "have the configuration written again (a shell variable is written $NAME, without braces)"
        )
    if isinstance(values, dict):
        for name, value in values.items():
            refuse_interpolations(name, key)
            refuse_interpolations(value, f"{key}.{name}")
    elif isinstance(values, list):
        for value in values:
            refuse_interpolations(value, key)


def kind_of(field: dataclasses.Field, values: Any) -> type:
    """The schema that the ``values`` of a section are of. Raises UserError where they are of none."""
    possible = kinds(field)
    if len(possible) == 1:
        return possible[0]
    key = dataclasses.fields(possible[0])[0].name
    value = values.get(key)
    if (free := field.metadata.get("open")) and value in names(free):
        return free
    known = [name for kind in possible for name in names(kind)]
    if value not in known:
        raise UserError(
            f"{field.name}.{key}={value} is unknown; it takes {', '.join(known)}{suggestion(str(value), known)}"
        )
    return next(kind for kind in possible if value in names(kind))
