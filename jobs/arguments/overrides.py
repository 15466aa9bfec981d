"""What an override may do: choose from a group, or set a key that the schema has."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from common.errors import UserError, suggestion
from conf.schema import Config
from conf.schema.check import keys
from jobs.arguments.files import check_files
from jobs.arguments.groups import groups, options, refusal
from jobs.arguments.text import for_shell, literal, shown
from jobs.arguments.types import default, mend, mistaken, type_at

OPEN = (
    "cluster.environment.",
    "cluster.sbatch.",
    "corpus.sources.",
    "corpus.languages.",
    "data.validation.",
    "evaluation.domain.",
    "evaluation.general.",
    "mixture.sources.",
    "phases.",
    "mixture.topic_caps.",
)
"""Keys below these are for the user to name."""
SWEEPER = ("hydra.sweeper", "hydra/sweeper")
"""The one part of Hydra's own settings that is for a user."""
FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.output_subdir", "hydra.sweep.subdir")


def check_override(override: Override) -> None:
    """Raise UserError with a suggestion when an override names no key of the schema and no group of ``conf/``."""
    key = override.key_or_group
    if key.replace("/", ".").split(".")[0] == "hydra":
        _refuse_setting(override)
    elif key in groups():
        _check_group(override)
    elif not key.startswith(OPEN):
        _check_key(override)


def _refuse_setting(override: Override) -> None:
    key = override.key_or_group
    if key.startswith(SWEEPER):
        return
    if key in FOLDERS:
        raise UserError(
            f"{key} is not for a user to set; results go below runs_dir: {mend('runs_dir', override.value())}"
        )
    if key == "hydra/launcher":
        raise UserError(f"{key} is not for a user to set; cluster=slurm queues jobs, cluster=local runs them here")
    raise UserError(f"{key} is not for a user to set; leave it out")


def _check_group(override: Override) -> None:
    group, chosen = override.key_or_group, values(override, plain=True)
    if override.is_delete():
        mended = "leave it out" if group == "experiment" else f"choose another, {group}=..."
        raise UserError(f"~{group}: a group has always one choice; {mended}")
    for value in chosen:
        if words := refusal(group, value):
            raise UserError(words)
        check_files(group, str(value))
    if override.is_add() or override.is_force_add() or override.package is not None:
        typed = for_shell(f"{group}={','.join(literal(value) for value in chosen)}")
        raise UserError(f"{override.input_line}: a group is chosen by its name alone; write {typed}")


def _check_key(override: Override) -> None:
    key = override.key_or_group
    known = list(keys(Config))
    if key not in known:
        raise UserError(
            f"unknown key '{shown(key)}'{_nearest(key, known)}; `--cfg job` prints every key with its value"
        )
    if override.is_delete():
        raise UserError(f"~{key}: a key always has a value; leave it out, or write {mend(key, default(key))}")
    if type_at(key) is bool and any(value not in ("0", "1") and value.isdigit() for value in values(override)):
        raise UserError(mistaken(key, override.input_line.partition("=")[2]))
    if override.is_add():
        raise UserError(f"+{key}: the key is there already; write {for_shell(override.input_line.lstrip('+'))}")


def _nearest(key: str, known: list[str]) -> str:
    """A suggestion by the whole dotted key, else by a group of this name, else by its last part."""
    found = ("" if "." in key else suggestion(key, groups())) or suggestion(key, known)
    if found:
        return found
    last = key.rpartition(".")[2]
    near = difflib.get_close_matches(last, {k.rpartition(".")[2] for k in known}, n=1, cutoff=0.7)
    return f"; did you mean '{next(k for k in known if k.rpartition('.')[2] == near[0])}'?" if near else ""


def values(override: Override, plain: bool = False) -> list[Any]:
    """Its values, of a sweep each, as Hydra writes them; ``plain``: that of no sweep as it is. Raises UserError for
    sweeps without any."""
    if not override.is_sweep_override():
        return [override.value()] if plain else [str(override.value())]
    try:
        found = [str(value) for value in override.sweep_string_iterator()]
    except (HydraException, ValueError) as error:
        raise UserError(
            f"{override.input_line}: its values cannot be told before it starts; name them, {_several(override)}"
        ) from error
    if not found:
        raise UserError(f"{override.input_line} has no values; name some, {_several(override)}")
    return found


def _several(override: Override) -> str:
    """How several values are given, with those that are in the argument."""
    key = override.key_or_group
    if key in groups():
        return f"{key}={','.join(options(key)[:2])}"
    found = dict.fromkeys(re.findall(r"\d[\d.e-]*", override.input_line.partition("=")[2]))
    return f"{key}={','.join(found) if len(found) > 1 else '1,2'}"


def refuse_twice(overrides: Sequence[Override]) -> None:
    """Raise UserError for a list that is given twice with other values: both are meant, and the last would stand alone.
    (Of a plain value the last counts, so that a command may be given again with another at its end.)"""
    seen: dict[str, list[Any]] = {}
    for override in overrides:
        value = override.value() if not override.is_sweep_override() and not override.is_delete() else None
        if isinstance(value, list) and seen.setdefault(override.key_or_group, value) != value:
            whole = [*seen[override.key_or_group], *value]
            raise UserError(f"{override.key_or_group} is given twice; write {mend(override.key_or_group, whole)}")
