"""Projections of a decoder's layers, and which of them low-rank adaptation asks for. Needs the configuration alone, as
`model.shapes`."""

from collections.abc import Mapping

from common.errors import UserError, suggestion
from conf.families import DECODERS
from conf.schema import DecoderConfig

_ANYWHERE = {name for family in DECODERS.values() for names in family.projections.values() for name in names}


def projections(config: DecoderConfig) -> Mapping[str, tuple[str, ...]]:
    """Linear layers of ours -> the projections that each does, in its order, by their names in Hugging Face's
    models."""
    return DECODERS[config.architecture].projections


def adapted(config: DecoderConfig) -> tuple[str, ...]:
    """Projections that `model.lora` asks for, in the order of a layer; none where its rank is 0.

    Raises UserError naming the key whose value cannot be.
    """
    lora, known = config.lora, [name for names in projections(config).values() for name in names]
    if lora.rank < 0:
        raise UserError(f"model.lora.rank={lora.rank} must be at least 0; 0 trains the net itself")
    if not lora.rank:
        return ()
    if lora.alpha <= 0:
        raise UserError(
            f"model.lora.alpha={lora.alpha:g} must be above 0; the usual is once or twice model.lora.rank={lora.rank}"
        )
    if not 0 <= lora.dropout < 1:
        raise UserError(f"model.lora.dropout={lora.dropout:g} must be at least 0 and below 1; 0 drops nothing")
    if not lora.targets:
        raise UserError(f"model.lora.targets is empty; name some of {', '.join(known)}, or set model.lora.rank=0")
    for name in lora.targets:
        if name not in known:
            near = "" if name in _ANYWHERE else suggestion(name, known)
            raise UserError(
                f"model.lora.targets names {name}, which {config.architecture} has not; take some of"
                f" {', '.join(known)}{near}"
            )
    return tuple(name for name in known if name in lora.targets)
