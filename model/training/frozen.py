"""Parts of a net that a phase leaves as they are."""

import fnmatch
import re

import torch

from common.errors import UserError, suggestion
from model.hf.weights import by_whole_name
from model.megatron import ranks
from model.nets.recompute import keep_gradients

PARTS = {
    "embeddings": ("embedding.*",),
    "head": ("output_layer.*", "head.*"),
    "norms": ("*norm.*",),
    "layers": ("*.layers.*",),
}
"""Part -> patterns of parameters' names."""
_RANGE = re.compile(r"layers\.(\d+)(?:-(\d+))?")


def freeze(net: torch.nn.Module, parts: list[str]) -> None:
    """Leave out of training what ``parts`` name (`PhaseConfig.frozen`). Nothing that was left out before is taken in.

    All ranks call this. Raises UserError for a part that is none of this net's, and where nothing would be left to train.
    """
    named = by_whole_name(net)
    everywhere = {name for names in ranks.gather(list(named)) for name in names}
    for part in parts:
        patterns = _patterns(part)
        if not any(_matches(name, patterns) for name in everywhere):
            known = [*PARTS, "layers.3", "layers.0-11"]
            raise UserError(
                f"phases.*.frozen: '{part}' names no part of this net{suggestion(part, list(PARTS))}; it takes {', '.join(known)}"
            )
        for name, parameter in named.items():
            # The last stage of a pipeline holds a copy of a tied table under the name of the head.
            names = ("embedding.",) if getattr(parameter, "shared_embedding", False) else (name,)
            if any(_matches(one, patterns) for one in names):
                parameter.requires_grad_(False)
    if parts:
        keep_gradients(net)
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise UserError(f"phases.*.frozen={parts} leaves nothing to train{' on a stage of the pipeline' if named else ''}; freeze less")


def _patterns(part: str) -> tuple[str, ...]:
    if match := _RANGE.fullmatch(part):
        first, last = int(match[1]), int(match[2] or match[1])
        return tuple(f"*.layers.{number}.*" for number in range(first, last + 1))
    return PARTS.get(part, (part,))


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
