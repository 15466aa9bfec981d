"""What Hydra and OmegaConf raise, as one sentence in the words of the schema."""

import dataclasses
import os
import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import Container, Node, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from common.errors import suggestion
from conf.schema import Config
from conf.schema.check import keys
from jobs.arguments.files import locate
from jobs.arguments.groups import groups
from jobs.arguments.types import default, mend, mistaken, type_at

REFERENCE = re.compile(r"\$\{([^{}]*)\}")
TYPES = (
    "Invalid value",
    "Invalid type",
    "could not be converted",
    "Cannot ",
    "is not a valid",
    "is not Optional",
    "ncompatible",
    "Unexpected",
)
"""Words of OmegaConf where a value is of another type than its key."""


def explain(error: BaseException, given: Sequence[Override] = ()) -> str:
    """One sentence. ``given``: the overrides that were composed."""
    chain = [one for one in (error, error.__cause__, error.__context__) if isinstance(one, OmegaConfBaseException)]
    root = next((one for one in chain if getattr(one, "full_key", None)), next(iter(chain), error))
    text = str(root).strip().splitlines()[0]
    key = getattr(root, "full_key", None)
    if not key:
        if gone := re.search(r"delete from config\. '([^']+)' does not exist", text):
            return f"~{gone[1]}: there is no {gone[1]} to take out; leave it out"
        found = re.search(r"field '([\w.]+)' is not Optional", text)
        return mistaken(found[1], None) if found else text
    if key.startswith("["):  # OmegaConf reads the references in a list before it is told whose it is
        key = next((o.key_or_group for o in given if "${" in o.input_line), "a list") + key
    source = _source(key, given)
    where = "" if source else _where(key, given)
    if "nterpolation" in text or "dereferencing" in text or "viable alternative" in text:
        return where + _reference(key, text, root)
    if "not in '" in text:
        return _unknown(key, root, where)
    if "not in struct" in text:
        return (
            f"{where}{key} is new; add it outright ({key}=... or {key}.<key>=...), or in a YAML under conf/experiment"
        )
    if any(words in text for words in TYPES) and type_at(key) is not None:
        return where + mistaken(
            _plain(key), _given(_plain(key), source) if source else _value(root), in_file=bool(where)
        )
    return f"{where}{text}" if key in text else f"{where}{key}: {text}"


def _plain(key: str) -> str:
    """A key without the number of an array task of its list."""
    return re.sub(r"\[\d+\]$", "", key)


def _source(key: str, given: Sequence[Override]) -> Override | None:
    """The override that gave the key, itself or a section that it is in."""
    plain = f"{_plain(key)}."
    return next(
        (o for o in reversed(given) if plain.startswith(f"{o.key_or_group}.") and o.key_or_group not in groups()), None
    )


def _where(key: str, given: Sequence[Override]) -> str:
    """``file, line n: `` of a key that a YAML gave."""
    chosen = [
        (one.key_or_group, str(one.value()))
        for one in given
        if one.key_or_group in groups() and not one.is_sweep_override()
    ]
    found = locate(_plain(key), sorted(chosen, key=lambda one: one[0] == "experiment"))
    return f"{found}: " if found else ""


def _given(key: str, source: Override) -> Any:
    """The value of ``key`` in an override of itself or of a section that it is in."""
    value = source.value()
    for part in key.removeprefix(source.key_or_group).strip(".").split("."):
        value = value.get(part) if part and isinstance(value, dict) else value
    return value


def _value(root: Any) -> Any:
    value = getattr(root, "value", None)
    value = value._value() if isinstance(value, Node) else value
    return OmegaConf.to_container(value) if isinstance(value, Container) else value


def _unknown(key: str, root: Any, where: str) -> str:
    owner = root.object_type if dataclasses.is_dataclass(getattr(root, "object_type", None)) else None
    hint = suggestion(key.rpartition(".")[2], [field.name for field in dataclasses.fields(owner)]) if owner else ""
    if hint or where:
        return f"{where}unknown key '{key}'{hint or suggestion(key, keys(Config)) or '; --help prints every key'}"
    return f"unknown key '{key}' in a YAML file under conf/{suggestion(key, keys(Config))}"


def _reference(key: str, text: str, root: Any) -> str:
    """What is wrong with a reference ${...} in the value of ``key``."""
    plain = _plain(key)
    write = mend(plain, default(plain) or "mine") if type_at(plain) is not None else "a value"
    if found := re.search(r"Environment variable '([^']*)' not found", text):
        return (
            f"{key} refers to the environment variable {found[1]}, which is not set; write export {found[1]}=<its"
            " value> first"
        )
    if found := re.search(r"Interpolation key '([^']*)' not found", text):
        return _missing(key, found[1])
    if "Recursive" in text or "parent node" in text:
        return f"{key} refers to itself; give it a value of its own, such as {write}"
    if found := re.search(r"Unsupported interpolation type (\S+)", text):
        return (
            f"{key} refers to ${{{found[1]}:...}}, and there is no such reference; ${{name}} is another key,"
            " ${oc.env:NAME} a variable"
        )
    if "converted" in text:
        return f"{key} refers to a value of another type than its own ({text.rpartition(': ')[2]}); write {write}"
    return f"{key} has a reference ${{...}} that is not closed; close it with }}, or write {write}"


def _missing(key: str, name: str) -> str:
    known = list(keys(Config))
    if name in os.environ:
        return (
            f"{key} refers to a key {name}, and there is none; the environment variable is written ${{oc.env:{name}}}"
        )
    near = suggestion(name, known)
    return f"{key} refers to a key {name}, and there is none{near or '; --cfg job prints every key with its value'}"
