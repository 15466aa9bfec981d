"""The one exception that a person is meant to read."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input. The message is one sentence naming the file, line or key, and the mend; jobs print it without a
    traceback."""


class AlreadyReported(UserError):
    """The same error on a further process of one job; the first one prints it."""


def suggestion(name: str, names: Iterable[str]) -> str:
    """A trailing ``; did you mean 'x'?`` when a known name is near, else the empty string."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
