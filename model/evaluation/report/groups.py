"""Runs that are seeds of one configuration."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.files import digest_of
from common.layout import CONFIG
from common.read_yaml import read_yaml
from model.evaluation.interface.result import Group, SweepResult

NOT_COMPARED = ("name", "seed", "data")
"""Keys of config.yaml in which seeds of one configuration may differ; data is compared by the digests of its files
instead."""


def group_runs(found: list[SweepResult]) -> list[Group]:
    """Groups in the order of their first runs, labelled by the keys in which their configurations differ.

    Two runs are seeds of one configuration where config.yaml is equal but for seed, name and paths of the data, and the
    data have equal digests in manifest.json. A run without config.yaml stands alone."""
    configurations = [_configuration(one.run) for one in found]
    members: dict[str, list[int]] = {}
    for position, configuration in enumerate(configurations):
        members.setdefault(digest_of(configuration), []).append(position)
    firsts = [configurations[positions[0]] for positions in members.values()]
    differing = sorted(key for key in set().union(*firsts) if len({repr(first.get(key)) for first in firsts}) > 1)
    groups = []
    for first, positions in zip(firsts, members.values(), strict=True):
        runs = [found[position] for position in positions]
        groups.append(Group(_label(first, differing, runs), runs))
    return groups


def _configuration(run: Path) -> dict[str, Any]:
    """Dotted keys of what determines a run but for its seed."""
    file = run / CONFIG
    if not file.is_file():
        return {"run": str(run.resolve())}
    frozen = {key: value for key, value in read_yaml(file).items() if key not in NOT_COMPARED}
    try:
        inputs = manifests.read(run).get("inputs", {})
    except UserError:
        inputs = {}
    return dict(_leaves(frozen)) | {
        name: value.get("digests") for name, value in inputs.items() if isinstance(value, dict)
    }


def _leaves(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _label(configuration: dict[str, Any], differing: list[str], runs: list[SweepResult]) -> str:
    """The settings that set a group apart where they are short, else the name of its first run, or of the folder of the
    only group."""
    settings = ", ".join(f"{key.rpartition('.')[2]}={configuration.get(key)}" for key in differing)
    if not differing and len(runs) > 1:
        settings = runs[0].run.resolve().parent.name
    elif not differing or len(settings) > 40:
        settings = runs[0].name
    return f"{settings} ({len(runs)} runs)" if len(runs) > 1 else settings
