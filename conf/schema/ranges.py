"""Ranges of numbers, as part of the types of the schema: ``Annotated[int, Range(1, 8)]``. `conf.schema.check` holds
values to them."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from common.errors import UserError
from conf.schema.kinds import kinds

AUTO = "auto"
"""What stands in the place of a number, or of a section, that is to be read from a file."""
NO_NUMBER = ("could not be converted to", "is not Optional", "is incompatible with type hint")
"""What OmegaConf says of a value that is none."""
MANY = 10**15
"""More of anything (tokens, bytes, steps) is a slip of the hand; sums and products of such numbers stay within 64 bits
where they must."""


class Range(NamedTuple):
    """From ``low`` to ``high``, both ends included unless ``above`` or ``below`` leave one out."""

    low: int
    high: int = MANY
    above: bool = False
    below: bool = False

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in it; what is not finite does in none."""
        return (self.low < value if self.above else self.low <= value) and (
            value < self.high if self.below else value <= self.high
        )

    def __str__(self) -> str:
        low, high = (
            f"10^{len(str(end)) - 1}" if end in (10**12, MANY) else f"{end:,}" for end in (self.low, self.high)
        )
        if not self.above and not self.below:
            return f"from {low} to {high}"
        return f"{'above' if self.above else 'of at least'} {low} and {'below' if self.below else 'at most'} {high}"


Count = Annotated[int, Range(0)]
Positive = Annotated[int, Range(1)]
Size = Annotated[int, Range(1, 10_000_000)]
"""Of a net, in scalars, layers or rows."""
ArraySize = Annotated[int, Range(1, 1_000_000)]
ArrayTask = Annotated[int, Range(0, 999_999)]
Few = Annotated[int, Range(0, 10_000)]
"""Cores, GPUs, attempts; often 0 for as many as there are."""
Seed = Annotated[int, Range(0, 2**32 - 1)]
Share = Annotated[float, Range(0, 1)]
SomeShare = Annotated[float, Range(0, 1, above=True)]
PartShare = Annotated[float, Range(0, 1, below=True)]
Magnitude = Annotated[float, Range(0, 1_000_000)]
Ratio = Annotated[float, Range(0, 1_000_000, above=True)]
LearningRate = Annotated[float, Range(0, 100, above=True)]
RopeBase = Annotated[float, Range(1, 10**12)]


class Limits(NamedTuple):
    """What a number may be."""

    kind: type
    """int or float."""
    range: Range
    auto: bool = False
    """Whether `AUTO` may stand in its place."""

    @property
    def name(self) -> str:
        """What it is called."""
        return "whole number" if self.kind is int else "number"

    def __str__(self) -> str:
        return f"a {self.name} {self.range}{f', or {AUTO}' if self.auto else ''}"

    def mistaken(self, key: str, value: Any) -> UserError:
        """The error for a ``value`` that is no such number at all; 1e9 is none to who wants whole ones."""
        mend = (
            f"write {value:.0f}"
            if isinstance(value, float) and value.is_integer() and abs(value) < MANY
            else f"give {self}"
        )
        return UserError(f"{key}={'null' if value is None else shown(value)} is no {self.name}; {mend}")

    def check(self, key: str, value: float) -> None:
        """Raise UserError where the number ``value`` of ``key`` is out of range."""
        if self.range.holds(value):
            return
        if isinstance(value, float) and not math.isfinite(value):
            why = "is not finite"
        elif value < 0 <= self.range.low:
            why = "is negative"
        elif value > 1 == self.range.high and self.range.low == 0:
            why = "is a share"
        else:
            why = "is too large" if value >= self.range.high else "is too small"
        raise UserError(f"{key}={shown(value)} {why}; give {self}")


def shown(value: Any) -> str:
    """A value in a message, however long."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def limits(kind: Any) -> Limits | None:
    """Limits of the numbers in a field of type ``kind`` (itself, or in a list, a dictionary, an optional or a union);
    None without any."""
    if get_origin(kind) is Annotated:
        number, *known = get_args(kind)
        return next((Limits(number, one) for one in known if isinstance(one, Range)), None)
    parts = get_args(kind)
    found = next((found for part in parts if (found := limits(part))), None)
    return found and found._replace(auto=found.auto or (str in parts and get_origin(kind) is not dict))


def numbers(key: str, value: Any) -> Iterator[tuple[str, float]]:
    """(key, number) of every number in a value; those in a list have the key of the list."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from numbers(f"{key}.{name}", one)
    elif isinstance(value, list):
        for one in value:
            yield from numbers(key, one)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, value


def limits_at(schema: type, key: str) -> Limits | None:
    """Limits of the dotted ``key`` below ``schema``; None where it is no number's."""
    head, _, rest = key.partition("[")[0].partition(".")
    for field in dataclasses.fields(schema):
        if field.name != head:
            continue
        named = [one for one in get_args(field.type) if isinstance(one, type) and dataclasses.is_dataclass(one)]
        if named:
            return limits_at(named[0], rest.partition(".")[2])
        inner = (limits_at(kind, rest) for kind in kinds(field)) if rest else ()
        return next((found for found in inner if found), None) or limits(field.type)
    return None


def no_number(schema: type, error: BaseException, prefix: str = "") -> UserError | None:
    """The error for a value that OmegaConf could not take for a number of ``schema``, whose keys begin with ``prefix``
    in messages; None where ``error`` is another."""
    key = getattr(error, "full_key", None)
    known = limits_at(schema, key) if key and any(words in str(error) for words in NO_NUMBER) else None
    return known and known.mistaken(f"{prefix}{key}", error.value)
