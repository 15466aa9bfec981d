"""The strings that follow the fields of the schema, read from its source."""

import ast
import dataclasses
import inspect
from collections.abc import Iterator
from typing import NamedTuple, get_args

from conf.schema.kinds import kinds, label


class Key(NamedTuple):
    """One key of the configuration as a person meets it."""

    name: str
    default: str
    meaning: str


def field_docstrings(schema: type) -> dict[str, str]:
    """Docstring of each field of a dataclass, those of its bases first: the string literal that follows it."""
    bodies = [
        ast.parse(inspect.getsource(part)).body[0].body
        for part in reversed(schema.__mro__)
        if dataclasses.is_dataclass(part)
    ]
    names = {field.name for field in dataclasses.fields(schema)}  # what a class states of all its instances is no key
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for body in bodies
        for field, text in zip(body, body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if field.target.id in names
    }


def documented(schema: type, prefix: str = "") -> Iterator[Key]:
    """Every leaf key below ``schema`` with its default and meaning, in the order of the source."""
    meanings = field_docstrings(schema)
    for field in dataclasses.fields(schema):
        name, possible = prefix + field.name, kinds(field)
        for kind in possible:
            mark = f"{label(kind)}: " if len(possible) > 1 else ""
            yield from (key._replace(meaning=mark + key.meaning) for key in documented(kind, f"{name}."))
        if possible:
            continue
        if named := [schema for schema in get_args(field.type) if dataclasses.is_dataclass(schema)]:
            yield from documented(named[0], f"{name}.<name>.")
            continue
        default = field.default if field.default is not dataclasses.MISSING else field.default_factory()
        yield Key(name, "null" if default is None else str(default), " ".join(meanings[field.name].split()))
