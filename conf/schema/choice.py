"""A key with a closed set of values, named beside it."""

from dataclasses import field


def choice(default: str, *others: str) -> str:
    """Field whose value is ``default`` or one of ``others``; `conf.schema.check` holds values to it."""
    return field(default=default, metadata={"choices": (default, *others)})
