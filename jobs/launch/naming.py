"""Names of the points of a multirun."""

import os
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from common.errors import UserError
from common.files import digest_of
from conf.schema import Config

NAME_BYTES = 200
"""A file system takes 255 bytes; what is written beside a run folder has longer names than it."""


def label_of(point: Sequence[str], swept: Sequence[str]) -> str:
    """The ``swept`` keys of a point (its overrides) and their values, as they were given."""
    return ",".join(plain for one in point if (plain := one.lstrip("+")).partition("=")[0] in swept)


def run_name(label: str) -> str:
    """Name of the run folder of a point with this label: the label, a ``/`` as ``_``; one that is too long for a name
    is cut, and ends with a digest of the whole, so that no two are one and a point finds its folder again."""
    name = os.fsencode(label.replace("/", "_"))
    if len(name) <= NAME_BYTES:
        return os.fsdecode(name)
    digest = digest_of(os.fsencode(label).hex())[:16]
    return f"{name[: NAME_BYTES - len(digest) - 1].decode(errors='ignore')},{digest}"


def name_point(composed: DictConfig, label: str) -> None:
    """Keep the label of a point in its configuration; its run is called by it unless the user has named that."""
    composed.point = label
    if OmegaConf.to_container(composed)["run"] == "seed_${seed}":
        composed.run = run_name(composed.point)


def refuse_equal_names(configs: Sequence[Config]) -> None:
    """Raise UserError where two points that are called by their labels would have one run folder."""
    known: dict[str, str] = {}
    for config in configs:
        other = known.setdefault(config.run, config.point)
        if other != config.point and config.run == run_name(config.point):
            raise UserError(
                f"{other} and {config.point} would both have the run folder {config.run}, where a / is written as _;"
                " give one of them by a command of its own, with run=<name>"
            )
