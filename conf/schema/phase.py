"""Section `phases`: spans of training, each with its own mixture, length and budget."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Annotated

from common.errors import UserError
from conf.schema.choice import choice
from conf.schema.ranges import Count, Magnitude, Range


@dataclass
class PhaseConfig:
    """One phase. `jobs.mix` reads its mixture and budget, `jobs.train` all of it."""

    tokens: Count = 0
    """Budget in tokens, before `budget` scales it; 0 takes everything once (`jobs.mix` alone: a training wants to know
    its length)."""
    weights: dict[str, Magnitude] = field(default_factory=dict)
    """Source -> share of the tokens of this phase (their sum counts as 1); empty: in proportion to their size."""
    data: str | None = None
    """Tokens folder to train on; null for the one that `jobs.mix` makes of this phase, below `mixture.output`."""
    seq_length: Count = 0
    """Capacity of a pack in tokens; 0 takes `train.seq_length`."""
    global_batch: Count = 0
    """Packs per optimizer step; 0 takes `train.global_batch`."""
    micro_batch: Count = 0
    """Packs per forward pass of one rank; 0 takes `train.micro_batch`."""
    schedule: str = choice("run", "continue", "rewarm", "decay")
    """Learning rate. run: `optim.schedule` once over all phases that say so; rewarm: `optim.schedule` anew, over this
    phase alone; continue: stays at what the phase before ended with; decay: from there to
    `optim.schedule.min_lr_ratio`, over this phase."""
    lr: Annotated[float, Range(0, 100)] = 0.0
    """rewarm: peak learning rate; 0 takes `optim.lr`."""
    rope_theta: Annotated[float, Range(0, 10**12)] = 0.0
    """RoPE base from this phase on; 0 leaves it."""
    frozen: list[str] = field(default_factory=list)
    """Parts that stay as they are: embeddings, head, norms, layers, layers.3, layers.0-11, or a pattern of parameters'
    names with *."""
    optimizer: str = choice("carry", "reset")
    """carry goes on with the optimizer's moments; reset starts them from zero."""


def scaled(phases: dict[str, PhaseConfig], budget: float) -> dict[str, PhaseConfig]:
    """``phases`` with their budgets multiplied, in whole tokens. Raises UserError where that leaves a phase none."""
    found = {name: dataclasses.replace(phase, tokens=round(phase.tokens * budget)) for name, phase in phases.items()}
    gone = next(
        (name for name, phase in found.items() if phases[name].tokens > 0 and budget > 0 and not phase.tokens), None
    )
    if gone:
        least = 10 ** -math.floor(math.log10(min(phase.tokens for phase in phases.values() if phase.tokens > 0)))
        raise UserError(
            f"budget={budget:g} leaves phases.{gone} none of its {phases[gone].tokens:,} tokens; give at least"
            f" budget={least:g}"
        )
    return found
