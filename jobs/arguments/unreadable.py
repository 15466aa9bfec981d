"""Arguments that Hydra's grammar does not take: quoted where what is meant is plain, else one sentence that says what
to type."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from common.errors import UserError
from conf.schema import Config
from conf.schema.check import keys
from jobs.arguments.groups import groups
from jobs.arguments.text import argument, for_shell, quoted, shown
from jobs.arguments.types import bare, default, expected, mend, type_at
from jobs.registry import JOBS

KEY = re.compile(r"[~+]*[A-Za-z_][\w./@:-]*", re.ASCII)
AS_TEXT = re.compile(r"true|false|[+-]?[\d._]+(?:e[+-]?\d+)?", re.IGNORECASE)
"""What Hydra would make a truth value or a number of, and write otherwise than it was: 1e3, 007."""
FOREIGN = re.compile(r"[{,][^:{}'\"]*[^\x00-\x7f][^:{}'\"]*:")
"""A name within braces that has letters beyond ASCII."""
PIECES = re.compile(r"""(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^,])+""")
"""What commas divide, those within quotes apart."""


def readable(one: str) -> bool:
    """Whether Hydra takes it."""
    try:
        OverridesParser.create().parse_override(one)
    except (HydraException, ValueError):
        return False
    return True


def wholly(one: str) -> str:
    """An argument that Hydra does not take, with quotes around a text, or around the texts of a list, where it is plain
    what is meant."""
    key, sign, value = one.partition("=")
    kind = type_at(key)
    text, listed = kind is str, get_origin(kind) is list and bare(get_args(kind)[0]) is str
    if text and AS_TEXT.fullmatch(value):
        return f"{key}={quoted(value)}"
    if not sign or not (text or listed) or "${" in value or value.startswith("=") or readable(one):
        return one
    if text and not re.match(r"\s*['\"\[{]", value) and "," not in value:
        return f"{key}={quoted(value.strip())}"
    if listed and re.fullmatch(r"\[[^\[\]{}]*\]", value.strip()):
        pieces = [piece.strip() for piece in value.strip()[1:-1].split(",")]
        if all(pieces) and not any(piece[0] in "'\"" for piece in pieces):
            return argument(key, pieces)
    return one


def refuse_unreadable(job: str, arguments: Sequence[str], given: Sequence[str]) -> None:
    """Raise UserError for the first of ``arguments`` that Hydra does not take; ``given`` has each as it was typed."""
    for position, one in enumerate(arguments):
        if one.startswith("=") or not readable(one):
            before, after = (
                given[position - 1] if position else "",
                given[position + 1] if position + 1 < len(given) else "",
            )
            after = "".join(given[position + 1 : position + 3]) if after == "=" else after
            if whole := _with_blanks(given[position:]):
                raise UserError(f"a value with blanks wants quotes around the whole argument: {whole}")
            raise UserError(
                f"cannot read the argument '{shown(given[position])}': {_reason(job, given[position], before, after)}"
            )


def _with_blanks(arguments: Sequence[str]) -> str:
    """The list that a shell has cut at its blanks, put together and quoted; empty where the first of ``arguments``
    begins none."""
    key, sign, value = arguments[0].partition("=")
    for number in range(1, len(arguments)) if sign and value.startswith("[") and "]" not in value else ():
        if "=" in arguments[number]:
            break
        if arguments[number].endswith("]"):
            pieces = " ".join([value, *arguments[1 : number + 1]])[1:-1].split(",")
            return mend(key, [_stripped(piece) for piece in pieces])
    return ""


def _reason(job: str, one: str, before: str, after: str) -> str:
    if not one.strip():
        return "it is empty, as an unset variable of the shell is; leave it out"
    key, sign, value = one.partition("=")
    if sign and key.strip() != key and key.strip():
        return f"there is a blank before =; write {for_shell(f'{key.strip()}={value.strip()}')}"
    if not sign or not key:
        return _not_an_override(job, one, before, after)
    if (numbered := re.fullmatch(r"([\w.]+)\[\d*\]", key)) and type_at(numbered[1]) is not None:
        return f"a list is given whole; write {mend(numbered[1], _stripped(value))}"
    if not KEY.fullmatch(key) or FOREIGN.search(value):
        return "write key=value with a key of ASCII letters"
    if value.startswith("="):
        rest = value.strip("= ")
        return "it has one = too many; write " + (for_shell(f"{key}={rest}") if rest else mend(key, ""))
    return _value(key.lstrip("+~"), value)


def _not_an_override(job: str, one: str, before: str, after: str) -> str:
    """An argument without =, or with nothing before it: most often a blank too many."""
    known = {*keys(Config), *groups()}
    if before.strip() == "=" or one.strip() == "=":
        return "there are blanks around =; write key=value without them"
    if before.endswith("=") or (before in known and one.startswith("=")):
        left, right = before.removesuffix("="), one.removeprefix("=")
        return f"there is a blank around =; write {for_shell(f'{left}={right}')}"
    if one in known:
        joined = (
            f"{one}={after.lstrip('=')}"
            if after.startswith("=") and after != "="
            else f"{one}=..."
            if one in groups()
            else ""
        )
        return f"it has no value; write {for_shell(joined) if joined else mend(one, default(one))}"
    key, sign, value = (part.strip() for part in one.partition(":"))
    if sign and key in known:
        return f"a key and its value have = between them; write {mend(key, value)}"
    key, sign, value = before.partition("=")
    if sign and not Path(one).exists() and type_at(key) is str and not re.search("['\"]", value + one):
        return f"a value with blanks wants quotes around the whole argument: {for_shell(f'{before} {one}')}"
    return (
        "it is no key=value; write it behind the key that it is for, such as"
        f" {mend(JOBS[job].text_key if job else 'data.inputs', one.lstrip('='))}"
    )


def _value(key: str, value: str) -> str:
    kind = type_at(key)
    pieces = [piece.strip() for piece in value.split(",")]
    if kind in (int, float, bool, str) and "" in pieces and len(pieces) > 1 and not re.match(r"\s*['\"\[{]", value):
        left = ",".join(piece for piece in pieces if piece) or str(default(key))
        return f"it has an empty value between commas; write {for_shell(f'{key}={left}')}"
    if "${" in value and value.count("{") != value.count("}"):
        plain = value.replace("${", "\\${")
        return (
            "${ begins a reference to another key, and } ends it, such as ${name}; where the signs are part of a"
            f" name, write {for_shell(f'{key}={quoted(plain)}')}"
        )
    why = "a name and its value have a colon between them" if get_origin(kind) is dict and "{" in value else ""
    if kind in (int, float, bool):
        several = re.findall(r"\d[\d._e-]*", value) if kind is not bool and len(value) < 100 else []
        typed = for_shell(f"{key}={','.join(several)}") if several else mend(key, default(key))
        return f"it takes {expected(kind)}; write {typed}"
    why = _open(value) or why or "its value has signs that want quotes"
    if key in groups() or kind is None:
        return f"{why}; quote it, {for_shell(argument(key, _stripped(value)))}"
    return f"{why}; write {mend(key, _guess(kind, value))}"


def _open(value: str) -> str:
    """What is not closed, or was never opened; empty where nothing is."""
    for mark in "'\"":
        if value.count(mark) % 2:
            return f"the quote {mark} has no second one"
    for left, right in ("[]", "{}", "()"):
        if value.count(left) != value.count(right):
            return f"{left} is not closed" if value.count(left) > value.count(right) else f"{right} was never opened"
    return ""


def _guess(kind: Any, value: str) -> Any:
    """The value that was most likely meant."""
    inner = _stripped(value)
    if get_origin(kind) is list:
        return [_stripped(piece) for piece in PIECES.findall(inner)]
    if get_origin(kind) is dict:
        pairs = [piece.partition(":") for piece in PIECES.findall(inner)]
        return {_stripped(name): _stripped(one) for name, sign, one in pairs if sign} or [
            _stripped(name) for name, _, _ in pairs
        ]
    return inner if kind is str else re.sub(r"[^\w.+-].*", "", inner)


def _stripped(value: str) -> str:
    """Without brackets and quotes around it."""
    value = value.strip()
    value = re.sub(r"^[\[{]\s*|\s*[\]}]$", "", value)
    return value.strip().strip("'\"")
