"""One line of the doctor's table."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from conf.schema import Config

OK, NOTE, MISSING = "ok", "note", "missing"


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    """What was looked at."""
    state: str
    """ok; note: training runs, but something is worth knowing; missing: training does not run."""
    found: str
    """What is there."""
    mend: str = ""
    """What to do about it."""


Check = Callable[[Config], Finding]


def look(check: Check, config: Config) -> Finding:
    """What `check` finds; whatever it raises is a finding too, since a broken package may raise anything as it is
    imported."""
    try:
        return check(config)
    except Exception as error:
        name = check.__name__.replace("_", " ")
        return Finding(name, MISSING, reason(error), "mend or remove the package that this error names")


def reason(error: BaseException) -> str:
    """First line of what an error says."""
    return f"{type(error).__name__}: {error}".strip().partition("\n")[0]


def attempt(module: str) -> ModuleType | str:
    """The imported module, else why it cannot be imported."""
    try:
        return importlib.import_module(module)
    except Exception as error:
        return reason(error)
