"""Values and arguments as a person types them: quoted for Hydra's grammar, then for the shell."""

import re
import shlex
from typing import Any

LONGEST = 200
"""Characters of a value that a message repeats."""
PLAIN = re.compile(r"(?!(?:null|true|false|inf|nan)$)(?:[\w./]|[\w./][\w./:@%+-]*[\w./@%+-])", re.ASCII | re.IGNORECASE)
"""Text that Hydra takes as it is."""


def quoted(text: str) -> str:
    """``text`` as one value, whatever signs are in it."""
    mark = '"' if "'" in text and '"' not in text else "'"
    return (
        mark + re.sub(rf"(\\*)({mark}|$)", lambda found: found[1] * 2 + (f"\\{mark}" if found[2] else ""), text) + mark
    )


def literal(value: Any, inner: bool = False) -> str:
    """A plain value as Hydra and YAML read it; text within a list or a mapping is always quoted."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(literal(one, inner=True) for one in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {literal(one, inner=True)}" for name, one in value.items()) + "}"
    if isinstance(value, str):
        return value if not inner and PLAIN.fullmatch(value) else quoted(value)
    return str(value)


def argument(key: str, value: Any) -> str:
    """``key=value``, before the shell."""
    return f"{key}={literal(value)}"


def for_shell(text: str) -> str:
    """An argument as it is typed: in double quotes where that is enough, which reads best around single ones."""
    if shlex.quote(text) == text or re.fullmatch(r"[\w@%+=:,./-]+", text):
        return text
    return shlex.quote(text) if re.search(r'[$`"\\!]', text) else f'"{text}"'


def shown(text: Any) -> str:
    """Part of a message, however long it was."""
    text = str(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}... ({len(text)} characters)"
