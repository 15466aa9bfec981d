"""What makes a decoder unfit to be handed on: parameters that are not finite, a table or head that is dead, a head that
only seems tied."""

import hashlib
from dataclasses import dataclass, field

import torch

from common.errors import AlreadyReported, UserError
from conf.schema import DecoderConfig
from model.hf.decoder.weights import HEAD, TABLE, names, shapes
from model.hf.tensors import TensorReader
from model.megatron import ranks
from model.nets.sharding import global_names

_GROUPS = 8
"""Parts of the vocabulary that are looked at by themselves: as many as the ranks that it is usually cut over, one of
which may have failed to give its part."""
_PIECE = 4096
"""Rows that are read at once."""
_WHAT = {TABLE: "the embedding table", HEAD: "the head"}


@dataclass
class _Seen:
    """What one rank found in its own parameters."""

    infinite: str | None = None
    """Name of a parameter that has a value that is not finite."""
    alive: dict[str, torch.Tensor] = field(default_factory=dict)
    """Table and head: which rows have a value other than zero, `[rows of this rank]`."""
    digests: dict[str, str] = field(default_factory=dict)
    """Of the bytes of the table and of the copy of it that the last pipeline stage has as its head."""


def refuse_broken(net: torch.nn.Module, config: DecoderConfig, where: str) -> None:
    """Raise UserError, on all ranks alike, for a net that is broken; `where` begins the sentence. All ranks must call
    this."""
    tp = net.tp_group.rank()
    found = ranks.gather((tp, _look(net, config) if ranks.data_rank()[0] == 0 else _Seen()))
    if problem := _problem(found, config):
        raise (UserError if ranks.is_first() else AlreadyReported)(f"{where}: {problem}")


def refuse_broken_tensors(reader: TensorReader, config: DecoderConfig, where: str) -> None:
    """`refuse_broken` for tensors in a folder, of which no net is made, in one process."""
    seen = _Seen()
    for ours, theirs in names(config).items():
        for name in theirs:
            alive = []
            for start in range(0, rows := shapes(config)[name][0], _PIECE):
                part = reader.part(name, (start, min(start + _PIECE, rows)))
                norms = (
                    torch.linalg.vector_norm(part.float(), ord=torch.inf, dim=1)
                    if part.ndim > 1
                    else part.float().abs()
                )
                seen.infinite = seen.infinite or (None if bool(norms.isfinite().all()) else ours)
                alive.append(norms.ne(0))
            if ours in _WHAT:
                seen.alive[ours] = torch.cat(alive)
    if problem := _problem([(0, seen)], config):
        raise UserError(f"{where}: {problem}")


@torch.no_grad()
def _look(net: torch.nn.Module, config: DecoderConfig) -> _Seen:
    seen, own = _Seen(), global_names(net)
    for name, parameter in own.items():
        if parameter.numel() and not bool(torch.linalg.vector_norm(parameter, ord=torch.inf).isfinite()):
            seen.infinite = seen.infinite or name
    for name in (TABLE, HEAD):
        if name in own:
            seen.alive[name] = torch.linalg.vector_norm(own[name], ord=torch.inf, dim=1).ne(0).cpu()
            if config.tie_embeddings and not (net.pre_process and net.post_process):
                seen.digests[name] = _digest(own[name])
    return seen


def _digest(parameter: torch.Tensor) -> str:
    found = hashlib.sha256()
    for piece in parameter.split(4096):
        found.update(piece.cpu().contiguous().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _problem(found: list[tuple[int, _Seen]], config: DecoderConfig) -> str | None:
    """What is wrong with the whole net, None where nothing is."""
    if infinite := next((seen.infinite for _, seen in found if seen.infinite), None):
        return (
            f"{infinite} has values that are not finite; take an earlier checkpoint, from before the training diverged"
        )
    digests = {(name, tp): digest for tp, seen in found for name, digest in seen.digests.items()}
    for tp in {tp for tp, _ in found}:
        if digests.get((TABLE, tp)) != digests.get((HEAD, tp), digests.get((TABLE, tp))):
            return (
                "model.tie_embeddings=true, but the head is not the embedding table any more; set it to false, or take"
                " an earlier checkpoint"
            )
    for name in (TABLE, HEAD):
        parts = {tp: seen.alive[name] for tp, seen in found if name in seen.alive}
        if parts and (dead := _dead(torch.cat([parts[tp] for tp in sorted(parts)])[: config.vocab_size])):
            return (
                f"rows {dead[0]} to {dead[1] - 1} of {_WHAT[name]} are all zero; its part of the net was never filled,"
                " take another checkpoint"
            )
    return None


def _dead(alive: torch.Tensor) -> tuple[int, int] | None:
    """Rows without life, from and to, where they fill at least one group."""
    start = 0
    for group in alive.chunk(_GROUPS):
        if not bool(group.any()):
            before, after = alive[:start].nonzero(), alive[start:].nonzero()
            return int(before[-1]) + 1 if len(before) else 0, start + int(after[0]) if len(after) else len(alive)
        start += len(group)
    return None
