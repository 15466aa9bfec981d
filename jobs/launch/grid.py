"""Grids: several values of a key; each combination is a point, and what could only fail is refused before the first
starts."""

import copy
import re
from collections.abc import Sequence
from typing import get_origin

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from common.errors import UserError
from conf.schema import Config
from jobs.arguments.groups import groups
from jobs.arguments.overrides import SWEEPER, values
from jobs.arguments.text import for_shell, quoted
from jobs.arguments.types import mend, type_at
from jobs.launch.compose import compose, explained, parse, to_config
from jobs.registry import JOBS


def first_point(overrides: list[str]) -> list[str]:
    """The overrides of a multirun with each sweep narrowed to its first value, to check a grid before it starts."""
    parsed = parse(overrides)
    return [
        f"{'++' if o.is_force_add() else ''}{o.key_or_group}={values(o)[0]}" if o.is_sweep_override() else o.input_line
        for o in parsed
    ]


def refuse_grid(configs: Sequence[Config], sweeper: str) -> None:
    """Raise UserError for points that cannot be queued together, and for a sweeper that wants results where there are
    none yet."""
    if any(config.cluster.kind == "local" for config in configs):
        raise UserError(
            "some points of this multirun have cluster=local and others cluster=slurm; start them by two commands"
        )
    if not sweeper.endswith(".BasicSweeper") and not all(config.cluster.wait for config in configs):
        raise UserError(f"the sweeper {sweeper} needs results, and a queued job has none yet; set cluster.wait=true")


def refuse_multirun(job: str, given: Sequence[Override], swept: Sequence[str]) -> None:
    """Raise UserError for a multirun of a job that takes none, or of nothing."""
    if not JOBS[job].multirun:
        raise UserError(
            f"jobs.{job} looks at everything at once and takes no multirun; leave -m and several values out"
        )
    if not swept and not any(o.key_or_group.startswith(SWEEPER) for o in given):
        raise UserError(
            "-m runs a job for each of several values, and no key has several; give one some, such as seed=1,2, or"
            " leave -m out"
        )


def several(override: Override) -> str:
    """Several values, and no multirun: a list without brackets, a comma in a text, or -m was forgotten."""
    key, found = override.key_or_group, [one.strip("\"'") for one in values(override)]
    kind = None if key in groups() else type_at(key)
    text = override.input_line.partition("=")[2]
    if get_origin(kind) is list:
        return f"{key} takes a list; write {mend(key, found)}"
    whole = f", or quote what is one value: {for_shell(f'{key}={quoted(text)}')}" if kind is str else ""
    if kind is float and re.fullmatch(r"\d+,\d+", text) or kind is int and re.fullmatch(r"\d{1,3}(,\d{3})+", text):
        number = text.replace(",", "") if kind is int else text.replace(",", ".", 1)
        whole = f", or write one number without commas: {key}={number}"
    return f"{key} has several values; add -m to run one job for each{whole}"


def check_points(job: str, composed: DictConfig, overrides: Sequence[str], given: Sequence[Override]) -> None:
    """Raise UserError for the first value of a grid that is none for its key, whichever point it would be met in.
    ``composed``: the first point, so that only choices of a group, which change other keys too, are composed again."""
    for number, override in enumerate(given):
        key, sign = override.key_or_group, "++" if override.is_force_add() else ""
        for value in values(override)[1:] if override.is_sweep_override() else ():
            one = f"{sign}{key}={value}"
            if sign or key in groups():
                to_config(compose(job, first_point([*overrides[:number], one, *overrides[number + 1 :]])))
                continue
            point, alone = copy.deepcopy(composed), parse([one])
            with explained(alone):
                OmegaConf.update(point, key, alone[0].value())
            to_config(point)
