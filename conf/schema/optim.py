"""Group `optim`: the optimizer and the learning-rate schedule."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.choice import choice
from conf.schema.ranges import Count, LearningRate, Magnitude, PartShare, Range, Share, SomeShare

WARMUP_SHARE, DECAY_SHARE = 0.05, 0.1
"""Shares of a run's steps where no length of the warm-up, or of the decay, is given."""


@dataclass
class ScheduleConfig:
    """Learning rate over the run, as a factor of `optim.lr`."""

    kind: str = choice("wsd", "cosine", "constant")
    """wsd (warm up, stay, decay), cosine or constant; every one warms up first."""
    warmup_steps: Count = 0
    """Linear warm-up over this many optimizer steps."""
    warmup_tokens: Count = 0
    """Linear warm-up over this many tokens; set one of the three."""
    warmup_share: Share | None = None
    """Linear warm-up over this share of the steps; null: 0.05 where neither of the other two is given. A run that is
    extended keeps the warm-up that it began with."""
    decay_steps: Count = 0
    """wsd: length of the decay at the end, in steps."""
    decay_share: Share | None = None
    """wsd: length of the decay as a share of the steps; set this or decay_steps; null: 0.1 where that is not given."""
    decay_shape: str = choice("1-sqrt", "linear", "cosine")
    """wsd: linear, cosine or 1-sqrt."""
    min_lr_ratio: Share = 0.0
    """The decay ends at this share of `optim.lr`."""

    def settled(self) -> "ScheduleConfig":
        """Itself with the shares that are left open settled."""
        warmup = 0.0 if self.warmup_steps or self.warmup_tokens else WARMUP_SHARE
        decay = 0.0 if self.decay_steps or self.kind != "wsd" else DECAY_SHARE
        warmup = warmup if self.warmup_share is None else self.warmup_share
        return dataclasses.replace(
            self, warmup_share=warmup, decay_share=decay if self.decay_share is None else self.decay_share
        )


@dataclass
class OptimConfig:
    """Optimizer. StableAdamW is AdamW with the update clipping of Adafactor (arXiv 2304.13013)."""

    name: str = choice("stable_adamw", "adamw")
    """adamw or stable_adamw."""
    lr: LearningRate = 8e-4
    """Peak learning rate."""
    beta1: PartShare = 0.9
    """Decay of the first moment."""
    beta2: PartShare = 0.98
    """Decay of the second moment."""
    eps: SomeShare = 1e-6
    """Added to the root of the second moment."""
    weight_decay: Annotated[float, Range(0, 100)] = 1e-5
    """Decoupled weight decay. A step shrinks weights by lr x this (adamw), or by lr / `optim.lr` x this (stable_adamw,
    as ModernBERT)."""
    decay_norms_and_biases: bool = False
    """Apply weight decay to one-dimensional parameters too."""
    decay_embeddings: bool = True
    """Apply weight decay to the embedding table too."""
    clip_grad: Magnitude = 1.0
    """Clip the global gradient norm to this; 0 switches it off (StableAdamW does without)."""
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """The learning-rate schedule."""
