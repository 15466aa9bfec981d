"""Parts of a net that a phase leaves as they are."""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn

import torch

from common.errors import AlreadyReported, UserError, suggestion
from model.megatron import ranks
from model.nets.recompute import keep_gradients
from model.nets.sharding import global_names

PARTS = {
    "embeddings": ("embedding.*",),
    "head": ("output_layer.*", "head.*"),
    "norms": ("*norm.*",),
    "layers": ("*.layers.*",),
}
"""Part -> patterns of parameters' names."""
TABLE = "embedding.word_embeddings.weight"
_RANGE = re.compile(r"layers\.(\d+)(?:-(\d+))?")


def check_frozen(net: torch.nn.Module, phases: Mapping[str, list[str]]) -> None:
    """Raise UserError for a part, of those that each phase freezes (`PhaseConfig.frozen`), that is none of this net's,
    and for a phase that would have nothing left to train. All ranks call this, before the first phase: a later one
    would be met after days."""
    everywhere = {name for names in ranks.gather([name for name, _ in _named(net)]) for name in names}
    for phase, parts in phases.items():
        for part in parts:
            if not any(_matches(name, _patterns(part)) for name in everywhere):
                hint = suggestion(part, [name for name in PARTS if name != part])
                known = ", ".join([*PARTS, "layers.3", "layers.0-11"])
                _refuse(
                    f"phases.{phase}.frozen: '{part}' names no part of this net{hint}; it takes {known} (a tied head is"
                    " embeddings)"
                )
        frozen = {id(parameter) for parameter in _chosen(net, parts)}
        left = any(parameter.requires_grad and id(parameter) not in frozen for parameter in net.parameters())
        if not all(ranks.gather(left)):
            _refuse(
                f"phases.{phase}.frozen={parts} leaves nothing to train, or nothing on a stage of the pipeline; freeze"
                " less"
            )


def freeze(net: torch.nn.Module, parts: list[str]) -> None:
    """Leave out of training what ``parts`` name. Nothing that was left out before is taken in."""
    for parameter in _chosen(net, parts):
        parameter.requires_grad_(False)
    if parts:
        keep_gradients(net)


def _chosen(net: torch.nn.Module, parts: list[str]) -> list[torch.nn.Parameter]:
    patterns = [pattern for part in parts for pattern in _patterns(part)]
    return [parameter for name, parameter in _named(net) if _matches(name, patterns)]


def _named(net: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """Parameters with their names in the whole net; the copy of a tied table on the last stage of a pipeline has that
    of the table."""
    for name, parameter in global_names(net).items():
        yield TABLE if getattr(parameter, "shared_embedding", False) else name, parameter


def _refuse(message: str) -> NoReturn:
    raise (UserError if ranks.is_first() else AlreadyReported)(message)


def _patterns(part: str) -> tuple[str, ...]:
    if match := _RANGE.fullmatch(part):
        first, last = int(match[1]), int(match[2] or match[1])
        return tuple(f"*.layers.{number}.*" for number in range(first, last + 1))
    return PARTS.get(part, (part,))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
